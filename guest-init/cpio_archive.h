// The "new ASCII" cpio format (magic 070701,
// Documentation/driver-api/early-userspace/buffer-format.rst), written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anchorhold::guest_init {

struct CpioEntry {
    std::string_view name = {};  // without a leading slash
    uint32_t mode = 0;           // file type and permissions, as st_mode
    uint32_t device_major = 0;
    uint32_t device_minor = 0;
    std::string_view content = {};
};

// Builds an archive in memory. The same entries give the same bytes: owner is root, times are 0,
// inodes count from 1.
class CpioArchive {
  public:
    void add(const CpioEntry& entry);
    // Ends the archive and gives its bytes away.
    [[nodiscard]] std::string finish();

  private:
    std::string bytes_;
    uint32_t next_inode_ = 1;
};

}  // namespace anchorhold::guest_init
