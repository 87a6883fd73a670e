// One pass over the path and one over the query; whatever a second reader could take another way is
// refused.
#include "policy/target.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/percent.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxTarget = 8192;

// RFC 3986 §3.3 pchar without pct-encoded.
bool plain_in_path(char c) {
    return is_unreserved(c) || std::string_view("!$&'()*+,;=:@").find(c) != std::string_view::npos;
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// "." and "..", also with the path parameters that some servers strip ("..;x").
bool is_dot_segment(std::string_view segment) {
    const std::string_view name = segment.substr(0, segment.find(';'));
    return name == "." || name == "..";
}

// Whether some reader that decodes again, or splits at an encoded slash, would see a dot segment.
bool hides_dot_segment(std::string segment) {
    for (;;) {
        for (std::string_view rest = segment;;) {
            const size_t end = rest.find_first_of("/\\");
            if (is_dot_segment(rest.substr(0, end))) {
                return true;
            }
            if (end == std::string_view::npos) {
                break;
            }
            rest.remove_prefix(end + 1);
        }
        if (segment.find('%') == std::string::npos) {
            return false;
        }
        std::string again = percent_decode_leniently(segment);
        if (again.size() == segment.size()) {
            return false;
        }
        segment = std::move(again);
    }
}

// A segment's forwarded spelling: what the guest encoded stays encoded unless it is unreserved
// (RFC 3986 §6.2.2), what may not stand in a path becomes encoded.
void forward_segment(std::string_view raw, std::string& forwarded) {
    for (size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '%') {
            if (plain_in_path(raw[i])) {
                forwarded.push_back(raw[i]);
            } else {
                append_percent_encoded(raw[i], forwarded);
            }
            continue;
        }
        const char byte = *percent_decoded_byte(raw.substr(i));
        if (is_unreserved(byte)) {
            forwarded.push_back(byte);
        } else {
            append_percent_encoded(byte, forwarded);
        }
        i += 2;
    }
}

Status parse_segment(std::string_view raw, Target& target) {
    std::string decoded = ANCHORHOLD_TRY(percent_decode(raw));
    if (std::ranges::any_of(decoded, is_control)) {
        return fail("the path has an encoded control character");
    }
    if (decoded.find('\\') != std::string::npos) {
        return fail("the path has an encoded backslash");
    }
    if (!is_utf8(decoded)) {
        return fail("the path is not UTF-8");
    }
    if (hides_dot_segment(decoded)) {
        return fail("the path has a dot segment");
    }
    forward_segment(raw, target.forwarded);
    target.segments.push_back(std::move(decoded));
    return {};
}

Status parse_path(std::string_view path, Target& target) {
    std::string_view rest = path.substr(1);
    target.forwarded.push_back('/');
    if (rest.empty()) {
        target.folder = true;
        return {};
    }
    for (;;) {
        const size_t end = rest.find('/');
        if (end == 0) {
            return fail("the path has an empty segment");
        }
        ANCHORHOLD_TRY(parse_segment(rest.substr(0, end), target));
        if (end == std::string_view::npos) {
            return {};
        }
        target.forwarded.push_back('/');
        rest.remove_prefix(end + 1);
        if (rest.empty()) {
            target.folder = true;
            return {};
        }
    }
}

Status parse_query(std::string_view query, Target& target) {
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        if (pair.empty()) {
            continue;
        }
        const size_t equals = std::min(pair.find('='), pair.size());
        std::string key = ANCHORHOLD_TRY(percent_decode(pair.substr(0, equals)));
        std::string value =
            ANCHORHOLD_TRY(percent_decode(pair.substr(std::min(equals + 1, pair.size()))));
        if (key.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
            return fail("the query has an encoded NUL");
        }
        target.query.emplace_back(std::move(key), std::move(value));
    }
    return {};
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
    Target target;
    if (text.size() > kMaxTarget) {
        return fail("the target is longer than 8 KiB");
    }
    if (text == "*") {
        target.asterisk = true;
        target.forwarded = "*";
        return target;
    }
    if (!text.starts_with('/')) {
        return fail("the target does not begin with a slash");
    }
    for (const char c : text) {
        if (is_control(c) || c == ' ') {
            return fail("the target has a space or control character");
        }
        if (c == '\\') {
            return fail("the target has a backslash");
        }
        if (c == '#') {
            return fail("the target has a fragment");
        }
    }
    target.forwarded.reserve(text.size());
    const size_t question = std::min(text.find('?'), text.size());
    ANCHORHOLD_TRY(parse_path(text.substr(0, question), target));
    if (question < text.size()) {
        ANCHORHOLD_TRY(parse_query(text.substr(question + 1), target));
        target.forwarded.append(text.substr(question));
    }
    return target;
}

}  // namespace anchorhold::policy
