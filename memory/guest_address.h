// Guest-physical addresses as a type of their own: they compare and add, checked, and never
// dereference.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace anchorhold::memory {

// A guest-physical address in bytes. Only GuestMemory turns one into host memory.
class GuestAddress {
  public:
    constexpr GuestAddress() = default;
    constexpr explicit GuestAddress(uint64_t value) : value_(value) {}

    [[nodiscard]] constexpr uint64_t value() const { return value_; }
    [[nodiscard]] constexpr bool aligned_to(uint64_t power_of_two) const {
        return (value_ & (power_of_two - 1)) == 0;
    }
    // The address `bytes` further on; nothing when that leaves the 64-bit space.
    [[nodiscard]] constexpr std::optional<GuestAddress> plus(uint64_t bytes) const {
        uint64_t sum = 0;
        if (__builtin_add_overflow(value_, bytes, &sum)) {
            return std::nullopt;
        }
        return GuestAddress(sum);
    }

    friend constexpr auto operator<=>(GuestAddress, GuestAddress) = default;

  private:
    uint64_t value_ = 0;
};

// `size` bytes from `start`. May describe addresses that are no RAM, or that wrap: GuestMemory
// decides.
struct GuestRange {
    GuestAddress start;
    uint64_t size = 0;

    friend constexpr bool operator==(const GuestRange&, const GuestRange&) = default;
};

}  // namespace anchorhold::memory
