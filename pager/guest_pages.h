// Missing pages of another process, filled in through its userfaultfd (ioctl_userfaultfd(2)).
// Nothing of that process is mapped here: addresses are numbers that the kernel checks against the
// ranges that the process registered itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace anchorhold::pager {

enum class Filled : uint8_t {
    kDone,   // no page of the range is missing, nobody waits for one
    kRetry,  // the process is giving memory back: read its events first, then do it again
    kGone,   // its memory no longer exists
};

class GuestPages {
  public:
    static constexpr uint64_t kPageBytes = 4096;

    // `userfault` outlives this.
    explicit GuestPages(int userfault) : userfault_(userfault) {}

    // Whole pages at a page's address. A page that is there already stays as it is.
    [[nodiscard]] Result<Filled> copy(uint64_t address, std::span<const std::byte> bytes) const;
    [[nodiscard]] Result<Filled> zero(uint64_t address, uint64_t bytes) const;

  private:
    [[nodiscard]] Status wake(uint64_t address, uint64_t bytes) const;

    int userfault_;
};

}  // namespace anchorhold::pager
