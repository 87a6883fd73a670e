// A folder of a test's own, gone with it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/sys.h"

namespace anchorhold::supervisor {

class TemporaryFolder {
  public:
    TemporaryFolder() : path_(testing::TempDir() + "supervisor-XXXXXX") {
        EXPECT_NE(::mkdtemp(path_.data()), nullptr);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }

    // Writes a file in it, folders too; returns its path.
    std::string write(const std::string& name, std::string_view content) const {
        const std::string file = path_ + "/" + name;
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        EXPECT_TRUE(sys::write_file(file, content));
        return file;
    }

  private:
    std::string path_;
};

}  // namespace anchorhold::supervisor
