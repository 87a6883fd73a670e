// Layout, bounds and discarding of guest RAM.
#include "memory/guest_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/sys.h"

namespace anchorhold::memory {

GuestMemory::GuestMemory(OwnMapping reservation, std::span<std::byte> bytes)
    : reservation_(std::move(reservation)), size_(bytes.size()) {
    const uint64_t low = std::min<uint64_t>(size_, kHoleStart);
    regions_.push_back({0, GuestAddress(0), bytes.data(), low, 0});
    if (size_ > low) {
        regions_.push_back({1, GuestAddress(kHoleEnd), bytes.data() + low, size_ - low, low});
    }
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(uint64_t bytes) {
    auto memory = ANCHORHOLD_TRY(reserve(bytes));
    // Sealable, because a fork freezes the file it leaves behind.
    OwnFd memfd = ANCHORHOLD_TRY(sys::memfd("guest-memory", bytes, MFD_ALLOW_SEALING));
    ANCHORHOLD_TRY(memory->back(std::move(memfd), Sharing::kShared));
    return memory;
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::map(OwnFd memfd, uint64_t bytes,
                                                      Sharing sharing) {
    auto memory = ANCHORHOLD_TRY(reserve(bytes));
    ANCHORHOLD_TRY(memory->back(std::move(memfd), sharing));
    return memory;
}

Result<std::unique_ptr<GuestMemory>> GuestMemory::reserve(uint64_t bytes) {
    if (bytes == 0 || bytes % kPageSize != 0 || bytes > kMaxMemory) {
        return fail("guest memory of " + std::to_string(bytes) +
                    " bytes: must be a multiple of 4096, above 0 and at most 32 TiB");
    }
    // Huge pages need guest and host addresses that agree in their low 21 bits, so the range is
    // reserved with slack first.
    auto reservation = OwnMapping::map(bytes + kHugePageSize, PROT_NONE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    if (!reservation) {
        return tl::unexpected(reservation.error().within("guest memory"));
    }
    const uint64_t slack = -reinterpret_cast<uintptr_t>(reservation->data()) & (kHugePageSize - 1);
    const std::span<std::byte> range(reservation->data() + slack, bytes);
    return std::unique_ptr<GuestMemory>(new GuestMemory(std::move(*reservation), range));
}

Status GuestMemory::place(int flags, int fd) {
    if (::mmap(bytes().data(), size_, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE | MAP_FIXED, fd,
               0) == MAP_FAILED) {
        return fail_errno("mmap", "guest memory");
    }
    return {};
}

Status GuestMemory::back(OwnFd memfd, Sharing sharing) {
    const uint64_t file_size = ANCHORHOLD_TRY(sys::file_size(memfd.get(), "guest memory"));
    if (file_size < size_) {
        return fail("guest memory: the file has " + std::to_string(file_size) + " bytes, " +
                    std::to_string(size_) + " are needed");
    }
    ANCHORHOLD_TRY(place(sharing == Sharing::kShared ? MAP_SHARED : MAP_PRIVATE, memfd.get()));
    if (sharing == Sharing::kShared) {
        // A third of a cold start is page faults. A host that does not grant huge pages to memfds
        // serves small ones.
        ::madvise(bytes().data(), size_, MADV_HUGEPAGE);
    }
    memfd_ = std::move(memfd);
    sharing_ = sharing;
    return {};
}

Status GuestMemory::back_anonymous() {
    ANCHORHOLD_TRY(place(MAP_PRIVATE | MAP_ANONYMOUS, -1));
    sharing_ = Sharing::kPrivate;
    return {};
}

Status GuestMemory::detach() {
    if (sharing_ == Sharing::kPrivate) {
        return {};
    }
    ANCHORHOLD_TRY(place(MAP_PRIVATE, memfd_.get()));
    sharing_ = Sharing::kPrivate;
    return {};
}

const Region* GuestMemory::region_of(GuestAddress address, uint64_t length) const {
    for (const Region& region : regions_) {
        if (address < region.guest) {
            continue;
        }
        const uint64_t offset = address.value() - region.guest.value();
        if (offset < region.size && length <= region.size - offset) {
            return &region;
        }
    }
    return nullptr;
}

std::optional<std::span<std::byte>> GuestMemory::slice(GuestAddress address,
                                                       uint64_t length) const {
    const Region* region = region_of(address, length);
    if (region == nullptr) {
        return std::nullopt;
    }
    return std::span(region->host + (address.value() - region->guest.value()), length);
}

std::optional<GuestRange> GuestMemory::range_of(std::span<const std::byte> bytes) const {
    for (const Region& region : regions_) {
        const std::span<const std::byte> all(region.host, region.size);
        if (bytes.data() >= all.data() && bytes.data() < all.data() + all.size()) {
            const auto offset = static_cast<uint64_t>(bytes.data() - all.data());
            if (bytes.size() <= region.size - offset) {
                return GuestRange{GuestAddress(region.guest.value() + offset), bytes.size()};
            }
        }
    }
    return std::nullopt;
}

bool GuestMemory::read(GuestAddress address, std::span<std::byte> out) const {
    const auto bytes = slice(address, out.size());
    if (!bytes) {
        return false;
    }
    std::copy(bytes->begin(), bytes->end(), out.begin());
    return true;
}

bool GuestMemory::write(GuestAddress address, std::span<const std::byte> bytes) const {
    const auto target = slice(address, bytes.size());
    if (!target) {
        return false;
    }
    std::copy(bytes.begin(), bytes.end(), target->begin());
    return true;
}

std::optional<uint16_t> GuestMemory::load_acquire(GuestAddress address) const {
    const auto bytes = slice(address, sizeof(uint16_t));
    if (!bytes || !address.aligned_to(sizeof(uint16_t))) {
        return std::nullopt;
    }
    return std::atomic_ref(*reinterpret_cast<uint16_t*>(bytes->data()))
        .load(std::memory_order_acquire);
}

bool GuestMemory::store_release(GuestAddress address, uint16_t value) const {
    const auto bytes = slice(address, sizeof(uint16_t));
    if (!bytes || !address.aligned_to(sizeof(uint16_t))) {
        return false;
    }
    std::atomic_ref(*reinterpret_cast<uint16_t*>(bytes->data()))
        .store(value, std::memory_order_release);
    return true;
}

Result<uint64_t> GuestMemory::discard(GuestRange range) const {
    const Region* region = region_of(range.start, range.size);
    if (region == nullptr) {
        return fail("discard of guest memory at " + std::to_string(range.start.value()) +
                    ": not RAM");
    }
    const uint64_t offset = range.start.value() - region->guest.value();
    const uint64_t first = (offset + kPageSize - 1) / kPageSize * kPageSize;
    const uint64_t last = (offset + range.size) / kPageSize * kPageSize;
    if (first >= last) {
        return uint64_t{0};
    }
    const uint64_t length = last - first;
    void* const place = region->host + first;
    if (sharing_ == Sharing::kShared || !memfd_.valid()) {
        // A hole in the file; or a pager hears of it (UFFD_EVENT_REMOVE) and gives zeros from now
        // on.
        const int advice = sharing_ == Sharing::kShared ? MADV_REMOVE : MADV_DONTNEED;
        return ::madvise(place, length, advice) == 0
                   ? Result<uint64_t>(length)
                   : Result<uint64_t>(fail_errno("madvise", "guest memory"));
    }
    // Dropping private copies would bring the file's bytes back: fresh anonymous pages take their
    // place.
    void* const fresh = ::mmap(place, length, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (fresh == MAP_FAILED) {
        return fail_errno("mmap", "discarded guest memory");
    }
    ANCHORHOLD_CHECK(fresh == place);
    return length;
}

}  // namespace anchorhold::memory
