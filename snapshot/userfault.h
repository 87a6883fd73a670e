// The VMM's side of a pager: making the descriptor through which its missing pages are asked for
// (userfaultfd(2), ioctl_userfaultfd(2)).
#pragma once

#include <cstddef>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::snapshot {

// A non-blocking userfaultfd of this process that reports missing pages of `range`, page-aligned
// private anonymous memory, and what is given back of it (UFFD_EVENT_REMOVE). `device` is an open
// /dev/userfaultfd: one that may serve faults that KVM has in kernel mode.
//
// Keep it as long as the memory. Once the last descriptor of it is closed, missing pages read as
// zeros; while one is open and nobody serves it, they wait.
[[nodiscard]] Result<OwnFd> open_userfault(int device, std::span<std::byte> range);

}  // namespace anchorhold::snapshot
