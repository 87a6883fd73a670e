// Messages in, pages out. The kernel orders what could race: while memory is being given back it
// refuses to fill any (EAGAIN) until the event was read.
#include "pager/fault_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/sys.h"

namespace anchorhold::pager {
namespace {

using proto::PagerFailed;
using snapshot::kChunkBytes;
constexpr uint64_t kPageBytes = GuestPages::kPageBytes;
constexpr uint64_t kPagesPerChunk = kChunkBytes / kPageBytes;

}  // namespace

FaultServer::FaultServer(int userfault, uint64_t address, VerifiedMemory memory,
                         std::vector<uint64_t> prefetch)
    : userfault_(userfault),
      pages_(userfault),
      address_(address),
      memory_(std::move(memory)),
      prefetch_(std::move(prefetch)),
      removed_(memory_.bytes() / kPageBytes),
      served_(memory_.chunks()) {}

Served<void> FaultServer::read_messages() {
    std::array<uffd_msg, 32> messages{};
    for (;;) {
        const auto count = sys::read_some(userfault_, std::as_writable_bytes(std::span(messages)));
        if (!count) {
            return stop(PagerFailed::HOST, count.error().within("userfaultfd").message);
        }
        if (!count->has_value()) {
            return {};
        }
        const size_t whole = **count / sizeof(uffd_msg);
        if (whole == 0) {
            return stop(PagerFailed::VMM, "userfaultfd: no message where one was announced");
        }
        for (const uffd_msg& message : std::span(messages).first(whole)) {
            if (auto taken = take(message); !taken) {
                return taken;
            }
        }
    }
}

Served<void> FaultServer::take(const uffd_msg& message) {
    switch (message.event) {
        case UFFD_EVENT_PAGEFAULT:
            return take_fault(message.arg.pagefault.address);
        case UFFD_EVENT_REMOVE:
            return take_removal(message.arg.remove.start, message.arg.remove.end);
        default:
            return stop(PagerFailed::VMM,
                        fmt::format("userfaultfd: event {:#x}, which nobody asked for",
                                    unsigned{message.event}));
    }
}

Served<void> FaultServer::take_fault(uint64_t address) {
    ++counts_.faults;
    if (address < address_ || address - address_ >= memory_.bytes()) {
        return stop(PagerFailed::VMM, fmt::format("a fault at {:#x}, outside the memory", address));
    }
    faults_.push_back((address - address_) / kPageBytes);
    return {};
}

Served<void> FaultServer::take_removal(uint64_t begin, uint64_t end) {
    if (begin < address_ || end < begin || end - address_ > memory_.bytes()) {
        return stop(PagerFailed::VMM,
                    fmt::format("memory given back at {:#x}, outside the memory", begin));
    }
    const auto first = static_cast<ptrdiff_t>((begin - address_) / kPageBytes);
    const auto last = static_cast<ptrdiff_t>((end - address_) / kPageBytes);
    std::fill(removed_.begin() + first, removed_.begin() + last, true);
    counts_.removed_bytes += end - begin;
    return {};
}

Served<void> FaultServer::serve() {
    while (!faults_.empty()) {
        const uint64_t page = faults_.front();
        const uint64_t chunk = page / kPagesPerChunk;
        const Part part = served_[chunk] && removed(page) ? Part::kRemoved : Part::kAll;
        const auto filled = fill(chunk, part);
        if (!filled) {
            return tl::unexpected(filled.error());
        }
        if (*filled == Filled::kRetry) {
            return {};
        }
        if (part == Part::kAll && !served_[chunk]) {
            served_[chunk] = true;
            counts_.chunks_served += memory_.is_zero(chunk) ? 0 : 1;
        }
        // Others that wait for a page of the same chunk have it now.
        std::erase_if(faults_, [&](uint64_t other) {
            return other / kPagesPerChunk == chunk && (part == Part::kAll || removed(other));
        });
    }
    return {};
}

Served<void> FaultServer::prefetch() {
    if (!prefetching()) {
        return {};
    }
    const uint64_t chunk = prefetch_[next_prefetch_];
    if (!served_[chunk]) {
        const auto filled = fill(chunk, Part::kAll);
        if (!filled) {
            return tl::unexpected(filled.error());
        }
        if (*filled == Filled::kRetry) {
            return {};
        }
        served_[chunk] = true;
        if (!memory_.is_zero(chunk)) {
            ++counts_.chunks_served;
            ++counts_.chunks_prefetched;
        }
    }
    ++next_prefetch_;
    return {};
}

Served<Filled> FaultServer::fill(uint64_t chunk, Part part) {
    blocked_ = false;
    const uint64_t first = chunk * kPagesPerChunk;
    const uint64_t end = first + memory_.chunk_bytes(chunk) / kPageBytes;
    std::span<const std::byte> data;
    if (part == Part::kAll && !memory_.is_zero(chunk)) {
        const auto bytes = memory_.chunk(chunk);
        if (!bytes) {
            return stop(PagerFailed::MEMORY, bytes.error().message, chunk * kChunkBytes);
        }
        data = *bytes;
    }
    for (uint64_t page = first; page < end;) {
        const bool gone = removed(page);
        uint64_t run_end = page + 1;
        while (run_end < end && removed(run_end) == gone) {
            ++run_end;
        }
        if (gone || part == Part::kAll) {
            const uint64_t pages = run_end - page;
            const auto bytes = gone || data.empty()
                                   ? std::span<const std::byte>()
                                   : data.subspan((page - first) * kPageBytes, pages * kPageBytes);
            const auto filled = fill_run(page, pages, bytes);
            if (!filled) {
                return filled;
            }
            if (*filled == Filled::kRetry) {
                blocked_ = true;
                return filled;
            }
        }
        page = run_end;
    }
    return Filled::kDone;
}

// Zeros where there is no data.
Served<Filled> FaultServer::fill_run(uint64_t page, uint64_t pages,
                                     std::span<const std::byte> data) {
    const uint64_t address = address_ + page * kPageBytes;
    const auto filled =
        data.empty() ? pages_.zero(address, pages * kPageBytes) : pages_.copy(address, data);
    if (!filled) {
        // Its range is not what it said; anything else is the host's.
        const bool theirs = filled.error().code == ENOENT || filled.error().code == EINVAL ||
                            filled.error().code == ENOTTY;
        return stop(theirs ? PagerFailed::VMM : PagerFailed::HOST, filled.error().message,
                    page * kPageBytes);
    }
    return *filled;
}

}  // namespace anchorhold::pager
