// A folder that exists as long as a test.
#pragma once

#include <cstdlib>
#include <string>

#include "base/check.h"
#include "machine/runtime_folder.h"

namespace anchorhold::machine {

class TemporaryFolder {
  public:
    TemporaryFolder() { ANCHORHOLD_CHECK(::mkdtemp(path_.data()) != nullptr); }
    ~TemporaryFolder() { remove_tree(path_); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/anchorhold-test-XXXXXX";
};

}  // namespace anchorhold::machine
