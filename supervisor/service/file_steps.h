// The steps by which state reaches the disk, one system call's worth each: a test stops after any
// of them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::service {

class FileSteps {
  public:
    virtual ~FileSteps() = default;
    virtual Status make_folder(const std::string& path);  // 0700; one that is there is no error
    virtual Status write_file(const std::string& path, std::string_view bytes);  // 0600, anew
    virtual Status sync_file(const std::string& path);                           // folders, too
    virtual Status rename(const std::string& from, const std::string& to);
    virtual Status remove_tree(const std::string& path);  // one that is not there is no error
};

}  // namespace anchorhold::service
