// A key that exists as briefly as it can.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace anchorhold::vault {

constexpr size_t kKeyBytes = 32;

// 256 bits, wiped when this goes. Move-only.
class Key {
  public:
    explicit Key(std::span<const uint8_t, kKeyBytes> bytes);
    Key(Key&& other) noexcept;
    Key& operator=(Key&& other) noexcept;
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;
    ~Key();

    // Exactly kKeyBytes until end of file, from a pipe; nothing of them stays behind elsewhere.
    static Result<Key> read(int pipe);

    [[nodiscard]] std::span<const uint8_t, kKeyBytes> bytes() const { return bytes_; }

  private:
    Key() = default;

    std::array<uint8_t, kKeyBytes> bytes_{};
};

}  // namespace anchorhold::vault
