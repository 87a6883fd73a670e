// SHA-1 (FIPS 180-4 §6.1), for the one format that still wants it as a checksum. Nothing's safety
// rests on it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace anchorhold::guest_init {

[[nodiscard]] std::array<uint8_t, 20> sha1(std::string_view bytes);

}  // namespace anchorhold::guest_init
