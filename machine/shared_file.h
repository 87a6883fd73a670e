// A file of this host that the machine can read: files named on the command line.
#pragma once

#include <string>

#include "base/result.h"

namespace anchorhold::machine {

// Where the share is mounted in the machine (images/machine/init).
constexpr const char* kShareMount = "/mnt/share";

// Lends a regular file to a machine for as long as this object lives; the machine cannot write to
// it. It is a hard link where the file systems allow one, else a copy that shares blocks or at
// least keeps holes.
class SharedFile {
  public:
    // `share` is RelayStatus.share.
    static Result<SharedFile> lend(const std::string& share, const std::string& path);
    SharedFile(SharedFile&& other) noexcept;
    SharedFile& operator=(SharedFile&& other) noexcept;
    ~SharedFile();

    // The path that names it in the machine; its last part is that of the path here.
    [[nodiscard]] const std::string& inside() const { return inside_; }

  private:
    SharedFile(std::string folder, std::string inside);
    void remove();

    std::string folder_;  // of its own, here; empty when moved from
    std::string inside_;
};

}  // namespace anchorhold::machine
