// Sizes and durations as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace anchorhold::cli {

// "512M", "2G", "1.5GiB", "65536": bytes. K, M, G and T are powers of 1024, with or without "iB".
[[nodiscard]] Result<uint64_t> parse_size(std::string_view text);

// "2s", "500ms", "1.5m", "1h", "30": a number alone means seconds. Zero is refused.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

// "0.8 s", "1 min 12 s".
[[nodiscard]] std::string display_duration(Duration duration);

}  // namespace anchorhold::cli
