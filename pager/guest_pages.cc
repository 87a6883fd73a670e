// UFFDIO_COPY, UFFDIO_ZEROPAGE, UFFDIO_WAKE.
#include "pager/guest_pages.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <bit>
#include <cerrno>

namespace anchorhold::pager {
namespace {

enum class Existed : uint8_t { kNone, kSome };

// Calls `fill(done)` for what is left of `bytes` until none is. It returns what the ioctl says it
// did: bytes, or a negative errno.
template <typename Fill>
Result<Filled> fill_all(uint64_t bytes, const char* call, Existed& existed, Fill fill) {
    for (uint64_t done = 0; done < bytes;) {
        const int64_t count = fill(done);
        if (count > 0) {
            done += static_cast<uint64_t>(count);  // less than asked for: an event came in between
        } else if (count == -EEXIST) {
            existed = Existed::kSome;
            done += GuestPages::kPageBytes;
        } else if (count == -EAGAIN) {
            return Filled::kRetry;
        } else if (count == -ESRCH) {
            return Filled::kGone;
        } else {
            return fail_errno(static_cast<int>(-count), call);
        }
    }
    return Filled::kDone;
}

}  // namespace

Result<Filled> GuestPages::copy(uint64_t address, std::span<const std::byte> bytes) const {
    Existed existed = Existed::kNone;
    const Filled filled =
        ANCHORHOLD_TRY(fill_all(bytes.size(), "ioctl UFFDIO_COPY", existed, [&](uint64_t done) {
            uffdio_copy request{};
            request.dst = address + done;
            request.src = std::bit_cast<uintptr_t>(bytes.data()) + done;
            request.len = bytes.size() - done;
            const int result = ::ioctl(userfault_, UFFDIO_COPY, &request);
            return request.copy != 0 ? int64_t{request.copy} : int64_t{result < 0 ? -errno : 0};
        }));
    if (filled == Filled::kDone && existed == Existed::kSome) {
        ANCHORHOLD_TRY(wake(address, bytes.size()));
    }
    return filled;
}

Result<Filled> GuestPages::zero(uint64_t address, uint64_t bytes) const {
    Existed existed = Existed::kNone;
    const Filled filled =
        ANCHORHOLD_TRY(fill_all(bytes, "ioctl UFFDIO_ZEROPAGE", existed, [&](uint64_t done) {
            uffdio_zeropage request{};
            request.range.start = address + done;
            request.range.len = bytes - done;
            const int result = ::ioctl(userfault_, UFFDIO_ZEROPAGE, &request);
            return request.zeropage != 0 ? int64_t{request.zeropage}
                                         : int64_t{result < 0 ? -errno : 0};
        }));
    if (filled == Filled::kDone && existed == Existed::kSome) {
        ANCHORHOLD_TRY(wake(address, bytes));
    }
    return filled;
}

// Whoever asked for a page that came another way would wait for ever.
Status GuestPages::wake(uint64_t address, uint64_t bytes) const {
    uffdio_range range{};
    range.start = address;
    range.len = bytes;
    return ::ioctl(userfault_, UFFDIO_WAKE, &range) == 0 ? Status()
                                                         : fail_errno("ioctl UFFDIO_WAKE");
}

}  // namespace anchorhold::pager
