// UFFDIO_COPY from a second mapping of the same file, MADV_POPULATE_WRITE for what is left.
#include "snapshot/page_copier.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <utility>

#include "base/mapping.h"

namespace anchorhold::snapshot {
namespace {

// linux/userfaultfd.h of Linux 5.11 and linux/mman.h of Linux 5.14; the headers here may be older.
constexpr int kUserModeOnly = 1;
constexpr int kPopulateWrite = 23;

std::span<std::byte> bytes_of(std::span<std::byte> memory, const PageRange& range) {
    return memory.subspan(range.first * kPageBytes, range.count * kPageBytes);
}

// The registration of a range, for as long as it is filled: a page that was still missing after it
// would be waited for.
class Registration {
  public:
    Registration(int userfault, std::span<std::byte> memory)
        : userfault_(userfault),
          range_{std::bit_cast<uintptr_t>(memory.data()), memory.size()},
          valid_(apply()) {}
    ~Registration() {
        if (valid_) {
            ::ioctl(userfault_, UFFDIO_UNREGISTER, &range_);
        }
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

    [[nodiscard]] bool valid() const { return valid_; }

  private:
    [[nodiscard]] bool apply() const {
        uffdio_api api{};
        api.api = UFFD_API;
        uffdio_register registration{};
        registration.range = range_;
        registration.mode = UFFDIO_REGISTER_MODE_MISSING;
        return ::ioctl(userfault_, UFFDIO_API, &api) == 0 &&
               ::ioctl(userfault_, UFFDIO_REGISTER, &registration) == 0;
    }

    int userfault_;
    uffdio_range range_;
    bool valid_;
};

// Copies ranges until one is refused; how many were done.
size_t copy(int userfault, std::span<std::byte> memory, const std::byte* source,
            std::span<const PageRange> ranges) {
    for (size_t i = 0; i < ranges.size(); ++i) {
        const auto target = bytes_of(memory, ranges[i]);
        uffdio_copy request{};
        request.dst = std::bit_cast<uintptr_t>(target.data());
        request.src = std::bit_cast<uintptr_t>(source) + ranges[i].first * kPageBytes;
        request.len = target.size();
        if (::ioctl(userfault, UFFDIO_COPY, &request) < 0) {
            return i;
        }
    }
    return ranges.size();
}

size_t copy_from_file(int userfault, std::span<std::byte> memory, int file,
                      std::span<const PageRange> ranges) {
    // Private: a sealed file has no other mapping before Linux 6.7.
    const auto source = OwnMapping::map(memory.size(), PROT_READ, MAP_PRIVATE, file);
    if (!source) {
        return 0;
    }
    const Registration registration(userfault, memory);
    return registration.valid() ? copy(userfault, memory, source->data(), ranges) : 0;
}

}  // namespace

PageCopier::PageCopier()
    : userfault_(
          static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | kUserModeOnly))) {}

uint64_t PageCopier::make_own(std::span<std::byte> memory, int file,
                              std::span<const PageRange> ranges) {
    const OwnFd userfault = std::move(userfault_);
    const size_t copied =
        userfault.valid() ? copy_from_file(userfault.get(), memory, file, ranges) : 0;
    uint64_t pages = count_pages(ranges.first(copied));
    for (const PageRange& range : ranges.subspan(copied)) {
        const auto bytes = bytes_of(memory, range);
        if (::madvise(bytes.data(), bytes.size(), kPopulateWrite) == 0) {
            pages += range.count;
        }
    }
    return pages;
}

}  // namespace anchorhold::snapshot
