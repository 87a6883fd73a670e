// Matching goes back to the last star only, so it takes at most pattern times text steps.
#include "policy/glob.h"

#include <vector>

namespace anchorhold::policy {
namespace {

constexpr int kStar = -1;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(char a, char b, Reading reading) {
    return a == b || (reading == Reading::wide && lower(a) == lower(b));
}

enum class Fold { no, yes };

std::vector<int> tokens(std::string_view pattern, Fold fold) {
    std::vector<int> found;
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '*') {
            found.push_back(kStar);
            continue;
        }
        if (pattern[i] == '\\' && i + 1 < pattern.size()) {
            ++i;
        }
        const char c = fold == Fold::yes ? lower(pattern[i]) : pattern[i];
        found.push_back(static_cast<unsigned char>(c));
    }
    return found;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text, Reading reading) {
    size_t p = 0;
    size_t t = 0;
    size_t after_star = std::string_view::npos;  // in the pattern
    size_t retry = 0;                            // in the text
    while (t < text.size() || p < pattern.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            after_star = ++p;
            retry = t;
            continue;
        }
        if (p < pattern.size() && t < text.size()) {
            const bool escaped = pattern[p] == '\\' && p + 1 < pattern.size();
            if (same(pattern[escaped ? p + 1 : p], text[t], reading)) {
                p += escaped ? 2 : 1;
                ++t;
                continue;
            }
        }
        const bool star_can_grow = after_star != std::string_view::npos && retry < text.size() &&
                                   (reading != Reading::narrow || text[retry] != '/');
        if (!star_can_grow) {
            return false;
        }
        t = ++retry;
        p = after_star;
    }
    return true;
}

bool glob_covers(std::string_view outer, std::string_view inner) {
    // The inner pattern taken as a text whose stars only a star of the outer one matches.
    const std::vector<int> pattern = tokens(outer, Fold::no);
    const std::vector<int> text = tokens(inner, Fold::no);
    size_t p = 0;
    size_t t = 0;
    size_t after_star = std::string_view::npos;
    size_t retry = 0;
    while (t < text.size() || p < pattern.size()) {
        if (p < pattern.size() && pattern[p] == kStar) {
            after_star = ++p;
            retry = t;
            continue;
        }
        if (p < pattern.size() && t < text.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
            continue;
        }
        if (after_star == std::string_view::npos || retry >= text.size() || text[retry] == '/') {
            return false;
        }
        t = ++retry;
        p = after_star;
    }
    return true;
}

bool globs_overlap(std::string_view a, std::string_view b) {
    const std::vector<int> left = tokens(a, Fold::yes);
    const std::vector<int> right = tokens(b, Fold::yes);
    // reach[j]: the first i tokens of left and the first j of right may have matched the same text.
    std::vector<char> reach(right.size() + 1, 0);
    reach[0] = 1;
    for (size_t j = 0; j < right.size() && right[j] == kStar; ++j) {
        reach[j + 1] = 1;
    }
    for (size_t i = 1; i <= left.size(); ++i) {
        const int l = left[i - 1];
        char diagonal = reach[0];
        reach[0] = static_cast<char>(l == kStar && reach[0] != 0);
        for (size_t j = 1; j <= right.size(); ++j) {
            const int r = right[j - 1];
            const char above = reach[j];
            bool now = (l == kStar || r == kStar) && (above != 0 || reach[j - 1] != 0);
            now = now || (diagonal != 0 && (l == r || l == kStar || r == kStar));
            diagonal = above;
            reach[j] = static_cast<char>(now);
        }
    }
    return reach[right.size()] != 0;
}

std::string glob_literal(std::string_view text) {
    std::string pattern;
    for (const char c : text) {
        if (c == '*' || c == '\\') {
            pattern.push_back('\\');
        }
        pattern.push_back(c);
    }
    return pattern;
}

}  // namespace anchorhold::policy
