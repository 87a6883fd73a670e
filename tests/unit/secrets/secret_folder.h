// A folder of its own for a registry and what it names.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace anchorhold::supervisor {

class SecretFolder {
  public:
    SecretFolder() {
        std::string name = testing::TempDir() + "secretsXXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path_ = name;
    }
    ~SecretFolder() { std::filesystem::remove_all(path_); }
    SecretFolder(const SecretFolder&) = delete;
    SecretFolder& operator=(const SecretFolder&) = delete;

    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::ofstream(path(name)) << text;
        EXPECT_EQ(::chmod(path(name).c_str(), mode), 0);
        return path(name);
    }

  private:
    std::string path_;
};

}  // namespace anchorhold::supervisor
