// Pages of a private file mapping made the process's own before anybody uses them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "snapshot/working_set.h"

namespace anchorhold::snapshot {

// Copies through userfaultfd(2), many pages a call and without a fault for each: about half the
// price of MADV_POPULATE_WRITE, which serves where the host or the file refuses it.
class PageCopier {
  public:
    // Opens what it needs, for kernels and rules under which any process may (Linux 5.11; no
    // faults of the kernel's are served). A process that locks itself down makes it before that.
    PageCopier();

    // `memory` maps `file` privately from its first byte on and is page-aligned; nobody uses it
    // meanwhile. Returns how many pages of `ranges`, all within it, are the process's own now: this
    // is advice, and the first write to any other page makes it so. Can be used once.
    uint64_t make_own(std::span<std::byte> memory, int file, std::span<const PageRange> ranges);

  private:
    OwnFd userfault_;
};

}  // namespace anchorhold::snapshot
