// Fixed-width little-endian fields for wire structures: no alignment, no host order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace anchorhold {

// Holds a T as little-endian bytes; converts on every read and write. Alignment 1, size sizeof(T).
template <typename T>
class LittleEndian {
  public:
    constexpr LittleEndian() = default;
    constexpr LittleEndian(T value) { *this = value; }  // NOLINT: a field is assigned like a number

    constexpr LittleEndian& operator=(T value) {
        for (size_t i = 0; i < sizeof(T); ++i) {
            bytes_[i] = static_cast<uint8_t>(value >> (8 * i));
        }
        return *this;
    }
    constexpr operator T() const {  // NOLINT: see above
        T value = 0;
        for (size_t i = 0; i < sizeof(T); ++i) {
            value = static_cast<T>(value | (static_cast<T>(bytes_[i]) << (8 * i)));
        }
        return value;
    }

  private:
    uint8_t bytes_[sizeof(T)] = {};
};

using Le16 = LittleEndian<uint16_t>;
using Le32 = LittleEndian<uint32_t>;
using Le64 = LittleEndian<uint64_t>;

static_assert(sizeof(Le16) == 2 && sizeof(Le32) == 4 && sizeof(Le64) == 8);
static_assert(alignof(Le64) == 1);

}  // namespace anchorhold
