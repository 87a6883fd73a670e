// A fuzzer's bytes as a file of a snapshot: as they are, or as the payload of a header that fits,
// for no fuzzer guesses a checksum.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/check.h"
#include "snapshot/sealed.h"

namespace anchorhold::fuzz {

// The first byte decides which.
inline std::string sealed_input(const uint8_t* data, size_t size, const snapshot::Format& format) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (bytes.empty() || bytes.front() != 'p') {
        return std::string(bytes);
    }
    return snapshot::seal_payload(format, bytes.substr(1, format.max_payload));
}

// A refusal is one printable line.
template <typename T>
void expect_one_line(const Result<T>& result) {
    ANCHORHOLD_CHECK(result || !result.error().message.empty());
    ANCHORHOLD_CHECK(result ||
                     std::all_of(result.error().message.begin(), result.error().message.end(),
                                 [](char c) { return c >= 0x20 && c <= 0x7e; }));
}

}  // namespace anchorhold::fuzz
