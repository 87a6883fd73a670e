// Many byte strings looked for at once, in one pass that skips most of the text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/credentials/secret_string.h"

namespace anchorhold::proxy {

// Immutable after build(); holds its patterns in wiped memory. The search is Wu and Manber's: a
// table of how far the last three bytes of a window allow it to move.
class PatternSet {
  public:
    static constexpr size_t kMinPattern = 8;  // bytes; shorter ones are not taken

    // `tag` comes back with a match. Too short ones and repetitions are ignored.
    void add(SecretString pattern, uint32_t tag);
    // Call once, after the last add().
    void build();

    struct Match {
        size_t position = 0;
        size_t pattern = 0;  // index for pattern()
    };
    // The first match that starts at or after `from`; the longest of those that start there.
    [[nodiscard]] std::optional<Match> find(std::string_view text, size_t from = 0) const;

    // How many bytes at the text's end could be the start of a pattern that goes on after it.
    [[nodiscard]] size_t open_tail(std::string_view text) const;

    [[nodiscard]] bool empty() const { return patterns_.empty(); }
    [[nodiscard]] size_t longest() const { return longest_; }
    [[nodiscard]] std::string_view pattern(size_t index) const {
        return patterns_[index].bytes.view();
    }
    [[nodiscard]] uint32_t tag(size_t index) const { return patterns_[index].tag; }

  private:
    static constexpr size_t kBlock = 3;
    static constexpr size_t kTable = 4096;

    struct Pattern {
        SecretString bytes;
        uint32_t tag = 0;
        uint32_t block = 0;  // hash of the window's last block
    };

    static uint32_t hash(const char* at) {
        const auto byte = [at](size_t i) {
            return static_cast<uint32_t>(static_cast<uint8_t>(at[i]));
        };
        return ((byte(0) * 2654435761U) ^ (byte(1) * 40503U) ^ (byte(2) * 31U)) % kTable;
    }

    std::vector<Pattern> patterns_;  // by block, longest first, after build()
    size_t shortest_ = 0;
    size_t longest_ = 0;
    std::array<uint8_t, kTable> shift_{};
    std::vector<uint32_t> by_first_;     // indices of patterns_, by first byte
    std::array<uint32_t, 257> first_{};  // where each first byte begins in by_first_
};

}  // namespace anchorhold::proxy
