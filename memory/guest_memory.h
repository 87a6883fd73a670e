// The guest's RAM: one file, mapped at one place, and the only checked way from a guest address to
// its bytes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"
#include "memory/guest_address.h"

namespace anchorhold::memory {

// No RAM in [kHoleStart, kHoleEnd): local APIC, IOAPIC and device registers live there.
constexpr uint64_t kHoleStart = 0xC000'0000;
constexpr uint64_t kHoleEnd = 0x1'0000'0000;
constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kHugePageSize = 2 << 20;
// The most RAM a guest may have: half of the 46-bit physical space of common hosts.
constexpr uint64_t kMaxMemory = uint64_t{1} << 45;

// How guest memory relates to its memfd: kShared writes reach the file, kPrivate ones are copies of
// this process.
enum class Sharing : uint8_t { kShared, kPrivate };

// One contiguous piece of RAM: what KVM_SET_USER_MEMORY_REGION wants to know.
struct Region {
    uint32_t slot = 0;          // KVM slot number, from 0
    GuestAddress guest;         // page-aligned
    std::byte* host = nullptr;  // valid as long as the GuestMemory
    uint64_t size = 0;          // bytes, a multiple of the page size
    uint64_t file_offset = 0;   // where this piece starts in the memfd

    [[nodiscard]] GuestRange range() const { return {guest, size}; }
};

// Guest bytes may change under the reader at any time (vCPUs run): copy once, validate the copy,
// use the copy. Thread-safe: immutable after creation, and accesses race only with the guest.
class GuestMemory {
  public:
    // `bytes` of zeroed RAM, shared mapping: below the hole first, the rest from 4 GiB. Must be a
    // multiple of the page size and at most kMaxMemory. Nothing is reserved: pages cost when
    // touched.
    static Result<std::unique_ptr<GuestMemory>> create(uint64_t bytes);
    // The same layout over an existing memfd of at least `bytes` (a template's). Takes the
    // descriptor.
    static Result<std::unique_ptr<GuestMemory>> map(OwnFd memfd, uint64_t bytes, Sharing sharing);
    // The layout with nothing behind it yet: what touches it before back() faults.
    static Result<std::unique_ptr<GuestMemory>> reserve(uint64_t bytes);

    // Puts a file of at least size() bytes behind a reservation. Takes the descriptor. Not
    // thread-safe; host addresses stay what they are.
    Status back(OwnFd memfd, Sharing sharing);
    // Puts fresh anonymous memory behind a reservation, for a pager to fill.
    Status back_anonymous();
    // From shared to private: what is written from now on is this process's alone. Nothing may
    // access the memory meanwhile. Afterwards the file can be sealed against writing.
    Status detach();

    [[nodiscard]] std::span<const Region> regions() const { return regions_; }
    [[nodiscard]] uint64_t size() const { return size_; }  // bytes of RAM
    [[nodiscard]] int fd() const { return memfd_.get(); }  // -1: anonymous, or only reserved
    [[nodiscard]] Sharing sharing() const { return sharing_; }
    // All of RAM as the host sees it, in the file's order.
    [[nodiscard]] std::span<std::byte> bytes() const { return {regions_.front().host, size_}; }

    // The host bytes of [address, address + length); nothing when any byte is outside one region.
    // An empty range inside RAM is an empty span. Valid as long as this object.
    [[nodiscard]] std::optional<std::span<std::byte>> slice(GuestAddress address,
                                                            uint64_t length) const;

    // The guest's name for bytes that slice() gave out; nothing when they are not guest memory.
    [[nodiscard]] std::optional<GuestRange> range_of(std::span<const std::byte> bytes) const;

    // Copies; false, with nothing copied, when any byte is outside RAM.
    [[nodiscard]] bool read(GuestAddress address, std::span<std::byte> out) const;
    [[nodiscard]] bool write(GuestAddress address, std::span<const std::byte> bytes) const;

    // One copy of a guest structure.
    template <typename T>
    [[nodiscard]] std::optional<T> load(GuestAddress address) const {
        static_assert(std::is_trivially_copyable_v<T>);
        const auto bytes = slice(address, sizeof(T));
        if (!bytes) {
            return std::nullopt;
        }
        T value;
        std::memcpy(&value, bytes->data(), sizeof(T));
        return value;
    }
    template <typename T>
    [[nodiscard]] bool store(GuestAddress address, const T& value) const {
        static_assert(std::is_trivially_copyable_v<T>);
        return write(address, std::as_bytes(std::span(&value, 1)));
    }

    // Ring indices: 16-bit, aligned, with acquire and release order. Nothing or false outside RAM
    // or misaligned.
    [[nodiscard]] std::optional<uint16_t> load_acquire(GuestAddress address) const;
    [[nodiscard]] bool store_release(GuestAddress address, uint16_t value) const;

    // Gives the whole pages inside `range` back to the host; they read as zeros after. The edges
    // that are no whole page stay. Returns the bytes given back; an error when the range is not RAM
    // or the host refuses.
    Result<uint64_t> discard(GuestRange range) const;

  private:
    GuestMemory(OwnMapping reservation, std::span<std::byte> bytes);
    Status place(int flags, int fd);
    [[nodiscard]] const Region* region_of(GuestAddress address, uint64_t length) const;

    OwnFd memfd_;
    OwnMapping reservation_;  // the mapping of the memfd lies in it, aligned for huge pages
    uint64_t size_;
    Sharing sharing_ = Sharing::kPrivate;
    std::vector<Region> regions_;
};

}  // namespace anchorhold::memory
