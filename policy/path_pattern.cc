// Segment by segment; only a last `**` takes more than one.
#include "policy/path_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "policy/percent.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxPattern = 2048;
constexpr char kEscapedStar[] = "\\*";

tl::unexpected<Error> refused(std::string_view text, std::string_view why) {
    return fail(fmt::format("path pattern '{}': {}", log::escaped(text, 120), why));
}

// One segment's pattern with its percent-encoding decoded and what was encoded taken literally.
Result<std::string> parse_segment(std::string_view text) {
    std::string pattern;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            pattern.push_back(text[i]);
            continue;
        }
        const auto byte = percent_decoded_byte(text.substr(i));
        if (!byte) {
            return fail("broken percent-encoding");
        }
        if (*byte == '*') {
            pattern.append(kEscapedStar);
        } else {
            pattern.push_back(*byte);
        }
        i += 2;
    }
    if (pattern == "." || pattern == "..") {
        return fail("a dot segment never matches");
    }
    for (size_t i = 0; i < pattern.size(); ++i) {
        const auto byte = static_cast<unsigned char>(pattern[i]);
        if (byte < 0x20 || byte == 0x7f) {
            return fail("a control character never matches");
        }
        if (byte == '\\' && pattern.compare(i, 2, kEscapedStar) != 0) {
            return fail("a backslash never matches");
        }
    }
    if (!is_utf8(pattern)) {
        return fail("not UTF-8");
    }
    return pattern;
}

template <typename Segments>
bool segments_match(const proto::PathPattern& pattern, const Segments& segments, bool folder,
                    Reading reading) {
    const auto wanted = static_cast<size_t>(pattern.segments_size());
    if (pattern.rest() ? segments.size() < wanted : segments.size() != wanted) {
        return false;
    }
    const bool slash_counts = !pattern.rest() && reading == Reading::narrow;
    if (slash_counts && pattern.folder() != folder) {
        return false;
    }
    for (size_t i = 0; i < wanted; ++i) {
        if (!glob_matches(pattern.segments(static_cast<int>(i)), segments[i], reading)) {
            return false;
        }
    }
    return true;
}

// The path for a server that decodes "%2F" before it splits and strips parameters.
std::vector<std::string_view> flattened(const std::vector<std::string>& segments) {
    std::vector<std::string_view> flat;
    for (const std::string& segment : segments) {
        for (std::string_view rest = segment;;) {
            const size_t end = rest.find('/');
            const std::string_view piece = rest.substr(0, end);
            if (const auto name = piece.substr(0, piece.find(';')); !name.empty()) {
                flat.push_back(name);
            }
            if (end == std::string_view::npos) {
                break;
            }
            rest.remove_prefix(end + 1);
        }
    }
    return flat;
}

bool has_two_readings(const std::string& segment) {
    return segment.find_first_of("/;") != std::string::npos;
}

bool holds_any_of(const proto::PathPattern& pattern, const char* characters) {
    return std::ranges::any_of(pattern.segments(), [&](const std::string& segment) {
        return segment.find_first_of(characters) != std::string::npos;
    });
}

// A pattern that also matches what is left of its matches without ";parameters", which only a star
// can hold here.
std::string before_parameters(const std::string& segment) {
    const size_t star = segment.find('*');
    return star == std::string::npos ? segment : segment.substr(0, star) + "*";
}

}  // namespace

Result<proto::PathPattern> parse_path_pattern(std::string_view text) {
    if (text.size() > kMaxPattern) {
        return refused(text, "longer than 2048 bytes");
    }
    if (!text.starts_with('/')) {
        return refused(text, "it must begin with a slash");
    }
    if (text.find_first_of("?#") != std::string_view::npos) {
        return refused(text, "a query belongs under query:, not into the path");
    }
    proto::PathPattern pattern;
    std::string_view rest = text.substr(1);
    if (rest.empty()) {
        pattern.set_folder(true);
        return pattern;
    }
    for (;;) {
        const size_t end = rest.find('/');
        const std::string_view raw = rest.substr(0, end);
        if (raw == "**") {
            if (end != std::string_view::npos) {
                return refused(text, "** stands at the end only");
            }
            pattern.set_rest(true);
            return pattern;
        }
        if (raw.empty()) {
            return refused(text, "it has an empty segment");
        }
        if (raw.find("**") != std::string_view::npos) {
            return refused(text, "** is a segment of its own, at the end");
        }
        const auto segment = parse_segment(raw);
        if (!segment) {
            return refused(text, segment.error().message);
        }
        pattern.add_segments(*segment);
        if (end == std::string_view::npos) {
            return pattern;
        }
        rest.remove_prefix(end + 1);
        if (rest.empty()) {
            pattern.set_folder(true);
            return pattern;
        }
    }
}

std::string path_pattern_text(const proto::PathPattern& pattern) {
    std::string text;
    for (const std::string& segment : pattern.segments()) {
        text.push_back('/');
        for (size_t i = 0; i < segment.size(); ++i) {
            const char c = segment[i];
            if (c == '\\' && i + 1 < segment.size()) {
                append_percent_encoded(segment[++i], text);
            } else if (c == '/' || c == '%' || c == '?' || c == '#') {
                append_percent_encoded(c, text);
            } else {
                text.push_back(c);
            }
        }
    }
    if (pattern.rest()) {
        text.append("/**");
    } else if (pattern.folder()) {
        text.push_back('/');
    }
    return text;
}

bool path_matches(const proto::PathPattern& pattern, const Target& target, Reading reading) {
    if (target.asterisk) {
        return false;
    }
    if (segments_match(pattern, target.segments, target.folder, reading)) {
        return true;
    }
    return reading == Reading::wide && std::ranges::any_of(target.segments, has_two_readings) &&
           segments_match(pattern, flattened(target.segments), target.folder, reading);
}

bool path_covers(const proto::PathPattern& outer, const proto::PathPattern& inner) {
    if (outer.segments_size() > inner.segments_size()) {
        return false;
    }
    if (!outer.rest() && (inner.rest() || outer.segments_size() != inner.segments_size() ||
                          outer.folder() != inner.folder())) {
        return false;
    }
    for (int i = 0; i < outer.segments_size(); ++i) {
        if (!glob_covers(outer.segments(i), inner.segments(i))) {
            return false;
        }
    }
    return true;
}

bool paths_overlap(const proto::PathPattern& a, const proto::PathPattern& b, Reading reading) {
    const bool wide = reading == Reading::wide;
    if (wide && (holds_any_of(a, "/;") || holds_any_of(b, "/;"))) {
        return true;
    }
    const int common = std::min(a.segments_size(), b.segments_size());
    const bool lengths_fit = a.segments_size() == b.segments_size() ||
                             (a.rest() && a.segments_size() == common) ||
                             (b.rest() && b.segments_size() == common);
    if (!lengths_fit) {
        // What a star or `**` stands for may be parameters only, and vanish in a wide reading.
        return wide && (a.rest() || b.rest() || holds_any_of(a, "*") || holds_any_of(b, "*"));
    }
    if (!wide && !a.rest() && !b.rest() && a.folder() != b.folder()) {
        return false;
    }
    for (int i = 0; i < common; ++i) {
        const bool overlap =
            wide ? globs_overlap(before_parameters(a.segments(i)), before_parameters(b.segments(i)))
                 : globs_overlap(a.segments(i), b.segments(i));
        if (!overlap) {
            return false;
        }
    }
    return true;
}

}  // namespace anchorhold::policy
