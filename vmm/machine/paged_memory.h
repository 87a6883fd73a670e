// Guest memory that another process fills in, page by page, when it is touched: the VMM's end of a
// pager.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_memory.h"

namespace anchorhold::vmm {

// Lives as long as the memory is used: the descriptor it holds is what makes missing pages wait
// instead of reading as zeros. Belongs to its loop's thread.
class PagedMemory {
  public:
    // Puts anonymous memory behind the reservation, registers it with a userfaultfd(2) made from
    // `device`
    // (/dev/userfaultfd), gives that to the pager at `socket` and waits until it serves.
    // `on_gone`: the pager ended; the guest must not go on. An error when the pager refuses.
    static Result<std::unique_ptr<PagedMemory>> create(memory::GuestMemory& memory, OwnFd socket,
                                                       const OwnFd& device, EventLoop& loop,
                                                       std::function<void()> on_gone);
    ~PagedMemory();
    PagedMemory(const PagedMemory&) = delete;
    PagedMemory& operator=(const PagedMemory&) = delete;

  private:
    PagedMemory(EventLoop& loop, OwnFd socket, OwnFd faults)
        : loop_(loop), socket_(std::move(socket)), faults_(std::move(faults)) {}

    EventLoop& loop_;
    OwnFd socket_;
    OwnFd faults_;
};

}  // namespace anchorhold::vmm
