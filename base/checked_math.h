// Arithmetic on numbers that came from a guest, a peer or a file: overflow is a value, not a
// surprise.
#pragma once

#include <concepts>
#include <optional>

namespace anchorhold {

// An unsigned number whose sums, products and differences remember whether one of them left the
// range of T.
//   const auto end = (Checked(offset) + length).value();   // std::nullopt on overflow
template <std::unsigned_integral T>
class Checked {
  public:
    constexpr explicit Checked(T value) : value_(value) {}

    constexpr Checked operator+(Checked other) const {
        return apply(other, [](T a, T b, T* out) { return __builtin_add_overflow(a, b, out); });
    }
    constexpr Checked operator-(Checked other) const {
        return apply(other, [](T a, T b, T* out) { return __builtin_sub_overflow(a, b, out); });
    }
    constexpr Checked operator*(Checked other) const {
        return apply(other, [](T a, T b, T* out) { return __builtin_mul_overflow(a, b, out); });
    }
    constexpr Checked operator+(T other) const { return *this + Checked(other); }
    constexpr Checked operator-(T other) const { return *this - Checked(other); }
    constexpr Checked operator*(T other) const { return *this * Checked(other); }

    // The number, or nothing when any step overflowed.
    [[nodiscard]] constexpr std::optional<T> value() const {
        return overflowed_ ? std::nullopt : std::optional<T>(value_);
    }

  private:
    template <typename Operation>
    constexpr Checked apply(Checked other, Operation operation) const {
        Checked result(T{});
        result.overflowed_ =
            operation(value_, other.value_, &result.value_) || overflowed_ || other.overflowed_;
        return result;
    }

    T value_;
    bool overflowed_ = false;
};

}  // namespace anchorhold
