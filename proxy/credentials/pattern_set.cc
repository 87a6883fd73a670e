// Wu and Manber, "A fast algorithm for multi-pattern searching" (1994), with blocks of three bytes.
#include "proxy/credentials/pattern_set.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace anchorhold::proxy {

void PatternSet::add(SecretString pattern, uint32_t tag) {
    if (pattern.size() < kMinPattern || std::ranges::any_of(patterns_, [&](const Pattern& known) {
            return known.bytes.view() == pattern.view();
        })) {
        return;
    }
    patterns_.push_back(Pattern{std::move(pattern), tag, 0});
}

void PatternSet::build() {
    if (patterns_.empty()) {
        return;
    }
    const auto size_of = [](const Pattern& pattern) { return pattern.bytes.size(); };
    shortest_ = size_of(*std::ranges::min_element(patterns_, {}, size_of));
    longest_ = size_of(*std::ranges::max_element(patterns_, {}, size_of));
    shift_.fill(static_cast<uint8_t>(std::min<size_t>(shortest_ - kBlock + 1, 255)));
    for (Pattern& pattern : patterns_) {
        const char* const bytes = pattern.bytes.data();
        for (size_t end = kBlock; end <= shortest_; ++end) {
            uint8_t& shift = shift_[hash(bytes + end - kBlock)];
            shift = static_cast<uint8_t>(std::min<size_t>(shift, shortest_ - end));
        }
        pattern.block = hash(bytes + shortest_ - kBlock);
    }
    std::ranges::sort(patterns_, [&](const Pattern& a, const Pattern& b) {
        return a.block != b.block ? a.block < b.block : size_of(a) > size_of(b);
    });
    const auto first_byte = [this](uint32_t index) {
        return static_cast<uint8_t>(patterns_[index].bytes.view().front());
    };
    by_first_.resize(patterns_.size());
    for (uint32_t i = 0; i < by_first_.size(); ++i) {
        by_first_[i] = i;
    }
    std::ranges::sort(by_first_, {}, first_byte);
    size_t next = 0;
    for (size_t byte = 0; byte < first_.size(); ++byte) {
        while (next < by_first_.size() && first_byte(by_first_[next]) < byte) {
            ++next;
        }
        first_[byte] = static_cast<uint32_t>(next);
    }
}

std::optional<PatternSet::Match> PatternSet::find(std::string_view text, size_t from) const {
    if (patterns_.empty() || from > text.size()) {
        return std::nullopt;
    }
    const char* const bytes = text.data();
    size_t end = from + shortest_;
    while (end <= text.size()) {
        const uint32_t block = hash(bytes + end - kBlock);
        const size_t shift = shift_[block];
        if (shift != 0) {
            end += shift;
            continue;
        }
        const size_t start = end - shortest_;
        auto candidate = std::ranges::lower_bound(patterns_, block, {}, &Pattern::block);
        for (; candidate != patterns_.end() && candidate->block == block; ++candidate) {
            const std::string_view pattern = candidate->bytes.view();
            if (text.size() - start >= pattern.size() &&
                std::memcmp(bytes + start, pattern.data(), pattern.size()) == 0) {
                return Match{start, static_cast<size_t>(candidate - patterns_.begin())};
            }
        }
        ++end;
    }
    return std::nullopt;
}

size_t PatternSet::open_tail(std::string_view text) const {
    if (patterns_.empty()) {
        return 0;
    }
    size_t start = text.size() - std::min(text.size(), longest_ - 1);
    for (; start < text.size(); ++start) {
        const auto byte = static_cast<uint8_t>(text[start]);
        const std::string_view tail = text.substr(start);
        for (uint32_t i = first_[byte]; i < first_[byte + 1U]; ++i) {
            const std::string_view pattern = patterns_[by_first_[i]].bytes.view();
            if (pattern.size() > tail.size() && pattern.starts_with(tail)) {
                return tail.size();
            }
        }
    }
    return 0;
}

}  // namespace anchorhold::proxy
