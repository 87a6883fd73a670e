// Every small way to damage a file: cut at every length, every bit flipped.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::snapshot {

// `open` refuses with one printable line.
template <typename Open>
void expect_refused(const Open& open, const std::string& file, const std::string& what) {
    // A copy of exactly this size, so that AddressSanitizer sees the first byte past it.
    const std::vector<char> exact(file.begin(), file.end());
    const auto opened = open(std::string_view(exact.data(), exact.size()));
    ASSERT_FALSE(opened) << what;
    ASSERT_FALSE(opened.error().message.empty()) << what;
    for (const char c : opened.error().message) {
        ASSERT_TRUE(c >= 0x20 && c <= 0x7e) << what << ": " << opened.error().message;
    }
}

// `file` is opened as it is and refused with any damage.
template <typename Open>
void expect_damage_refused(const Open& open, const std::string& file) {
    ASSERT_TRUE(open(file));
    for (size_t size = 0; size < file.size(); ++size) {
        expect_refused(open, file.substr(0, size), "cut to " + std::to_string(size));
    }
    expect_refused(open, file + '\0', "a byte behind");
    for (size_t bit = 0; bit < file.size() * 8; ++bit) {
        std::string flipped = file;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        expect_refused(open, flipped, "bit " + std::to_string(bit));
    }
}

}  // namespace anchorhold::snapshot
