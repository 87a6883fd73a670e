// USERFAULTFD_IOC_NEW, UFFDIO_API, UFFDIO_REGISTER.
#include "snapshot/userfault.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <bit>
#include <cerrno>
#include <cstdint>

namespace anchorhold::snapshot {
namespace {

// linux/userfaultfd.h of Linux 6.1; the headers here may be older.
constexpr unsigned long kIocNew = _IO(0xAA, 0x00);

}  // namespace

Result<OwnFd> open_userfault(int device, std::span<std::byte> range) {
    OwnFd userfault(::ioctl(device, kIocNew, O_CLOEXEC | O_NONBLOCK));
    if (!userfault.valid()) {
        return fail_errno("ioctl USERFAULTFD_IOC_NEW", "/dev/userfaultfd");
    }
    uffdio_api api{};
    api.api = UFFD_API;
    api.features = UFFD_FEATURE_EVENT_REMOVE;
    if (::ioctl(userfault.get(), UFFDIO_API, &api) < 0) {
        return fail_errno("ioctl UFFDIO_API", "userfaultfd with EVENT_REMOVE");
    }
    uffdio_register registration{};
    registration.range.start = std::bit_cast<uintptr_t>(range.data());
    registration.range.len = range.size();
    registration.mode = UFFDIO_REGISTER_MODE_MISSING;
    if (::ioctl(userfault.get(), UFFDIO_REGISTER, &registration) < 0) {
        return fail_errno("ioctl UFFDIO_REGISTER", "guest memory");
    }
    constexpr uint64_t kNeeded =
        uint64_t{1} << _UFFDIO_COPY | uint64_t{1} << _UFFDIO_ZEROPAGE | uint64_t{1} << _UFFDIO_WAKE;
    if ((registration.ioctls & kNeeded) != kNeeded) {
        return fail("userfaultfd: this memory cannot be filled page by page; is it of huge pages?",
                    EINVAL);
    }
    return userfault;
}

}  // namespace anchorhold::snapshot
