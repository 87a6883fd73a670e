// One pass over the lines; hop-by-hop fields are taken out here, so nobody above sees them.
#include "proxy/http1/head_parser.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace anchorhold::proxy::http1 {
namespace {

// RFC 9110 §5.6.2
constexpr auto kTokenBytes = [] {
    std::array<bool, 256> table{};
    for (int byte = 0x21; byte < 0x7f; ++byte) {
        table[static_cast<size_t>(byte)] =
            std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(byte)) ==
            std::string_view::npos;
    }
    return table;
}();

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char byte) {
        return kTokenBytes[static_cast<unsigned char>(byte)];
    });
}

bool is_target(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](char byte) { return byte > 0x20 && byte < 0x7f; });
}

// field-content of RFC 9110 §5.5, obs-text included.
bool is_value(std::string_view text) {
    return std::ranges::all_of(text, [](char byte) {
        const auto value = static_cast<unsigned char>(byte);
        return value == '\t' || (value >= 0x20 && value != 0x7f);
    });
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& byte : result) {
        if (byte >= 'A' && byte <= 'Z') {
            byte = static_cast<char>(byte + ('a' - 'A'));
        }
    }
    return result;
}

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Calls `each` with every trimmed, lower-case element of a comma-separated list.
template <typename Each>
void for_each_element(std::string_view list, Each each) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        const std::string element = lower(trim(list.substr(0, comma)));
        if (!element.empty()) {
            each(element);
        }
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
}

Result<std::string_view> take_line(std::string_view& text) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos || end == 0 || text[end - 1] != '\r') {
        return fail("a line does not end in CR LF");
    }
    const std::string_view line = text.substr(0, end - 1);
    text.remove_prefix(end + 1);
    if (line.find('\r') != std::string_view::npos) {
        return fail("a CR stands inside a line");
    }
    return line;
}

// What a section's fields say about its connection, besides the fields themselves.
struct Section {
    Fields fields;
    std::vector<std::string> connection;
    std::optional<std::string> host;
    std::optional<uint64_t> length;
    bool chunked = false;
    std::string upgrade;
    bool expects_continue = false;
};

bool is_hop_by_hop(std::string_view name) {
    return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
           name == "te" || name == "upgrade" || name == "http2-settings";
}

Status note_field(Section& section, const std::string& name, std::string_view value) {
    if (name == "host") {
        if (section.host) {
            return fail("the Host field stands twice");
        }
        section.host = value;
    } else if (name == "content-length") {
        uint64_t length = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), length);
        if (section.length || value.empty() || error != std::errc() ||
            end != value.data() + value.size()) {
            return fail("Content-Length is not one number");
        }
        section.length = length;
    } else if (name == "transfer-encoding") {
        if (section.chunked || lower(value) != "chunked") {
            return fail("Transfer-Encoding is not one \"chunked\"");
        }
        section.chunked = true;
    } else if (name == "connection") {
        for_each_element(
            value, [&](const std::string& element) { section.connection.push_back(element); });
    } else if (name == "upgrade") {
        if (!section.upgrade.empty()) {
            return fail("the Upgrade field stands twice");
        }
        section.upgrade = lower(value);
    } else if (name == "expect") {
        if (lower(value) != "100-continue") {
            return fail("Expect is not \"100-continue\"");
        }
        section.expects_continue = true;
    }
    return {};
}

Result<Section> parse_fields(std::string_view text) {
    Section section;
    for (;;) {
        const std::string_view line = ANCHORHOLD_TRY(take_line(text));
        if (line.empty()) {
            break;
        }
        if (line.front() == ' ' || line.front() == '\t') {
            return fail("a field is folded over two lines");
        }
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
            return fail("a field's name is no token");
        }
        const std::string_view value = trim(line.substr(colon + 1));
        if (!is_value(value)) {
            return fail("a field's value holds a control character");
        }
        std::string name = lower(line.substr(0, colon));
        ANCHORHOLD_TRY(note_field(section, name, value));
        section.fields.push_back({std::move(name), std::string(value)});
        if (section.fields.size() > kMaxFields) {
            return fail("there are more than 200 fields");
        }
    }
    if (!text.empty()) {
        return fail("bytes follow the head");
    }
    if (section.chunked && section.length) {
        return fail("both Content-Length and Transfer-Encoding are given");
    }
    return section;
}

bool names_connection(const Section& section, std::string_view token) {
    return std::ranges::find(section.connection, token) != section.connection.end();
}

// Leaves what is the message's own, end to end.
void drop_hop_by_hop(Section& section) {
    std::erase_if(section.fields, [&](const Field& field) {
        return is_hop_by_hop(field.name) || field.name == "host" ||
               field.name == "content-length" || field.name == "transfer-encoding" ||
               field.name == "expect" || names_connection(section, field.name);
    });
}

// A field that Connection names and that policy or credentials read must not vanish between two
// readers.
Status check_connection(const Section& section) {
    for (const std::string& token : section.connection) {
        for (const std::string_view kept : {"host", "content-length", "transfer-encoding",
                                            "authorization", "cookie", "content-type"}) {
            if (token == kept) {
                return fail("Connection names the end-to-end field " + token);
            }
        }
    }
    return {};
}

}  // namespace

Result<std::optional<size_t>> head_length(std::string_view bytes) {
    const auto end = bytes.substr(0, kMaxHead).find("\r\n\r\n");
    if (end != std::string_view::npos) {
        return std::optional(end + 4);
    }
    if (bytes.size() >= kMaxHead) {
        return fail("the head is longer than 64 KiB");
    }
    return std::optional<size_t>();
}

Result<ParsedRequest> parse_request(std::string_view head) {
    const std::string_view line = ANCHORHOLD_TRY(take_line(head));
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) {
        return fail("the request line has no three parts");
    }
    ParsedRequest request;
    request.head.method = line.substr(0, first);
    request.head.target = line.substr(first + 1, last - first - 1);
    if (!is_token(request.head.method) || !is_target(request.head.target)) {
        return fail("the request line's method or target is malformed");
    }
    if (line.substr(last + 1) != "HTTP/1.1") {
        return fail("the HTTP version is not 1.1");
    }
    Section section = ANCHORHOLD_TRY(parse_fields(head));
    ANCHORHOLD_TRY(check_connection(section));
    if (!section.host) {
        return fail("there is no Host field");
    }
    request.head.authority = *section.host;
    request.framing = section.chunked  ? Framing{Framing::Kind::chunked}
                      : section.length ? Framing{Framing::Kind::length, *section.length}
                                       : Framing{};
    request.keep_alive = !names_connection(section, "close");
    request.expects_continue = section.expects_continue;
    if (names_connection(section, "upgrade")) {
        request.upgrade = section.upgrade;
    }
    drop_hop_by_hop(section);
    request.head.protocol = request.upgrade;
    request.head.fields = std::move(section.fields);
    return request;
}

Result<ParsedResponse> parse_response(std::string_view head, std::string_view method) {
    const std::string_view line = ANCHORHOLD_TRY(take_line(head));
    ParsedResponse response;
    const bool old = line.starts_with("HTTP/1.0 ");
    if ((!old && !line.starts_with("HTTP/1.1 ")) || line.size() < 12 ||
        (line.size() > 12 && line[12] != ' ') || !is_value(line)) {
        return fail("the status line is malformed");
    }
    const auto [end, error] =
        std::from_chars(line.data() + 9, line.data() + 12, response.head.status);
    if (error != std::errc() || end != line.data() + 12 || response.head.status < 100 ||
        response.head.status > 599) {
        return fail("the status is no number from 100 to 599");
    }
    response.reason = line.size() > 13 ? line.substr(13) : std::string_view();
    Section section = ANCHORHOLD_TRY(parse_fields(head));
    if (old && section.chunked) {
        return fail("an HTTP/1.0 answer is chunked");
    }
    const unsigned status = response.head.status;
    if (method == "HEAD" || status < 200 || status == 204 || status == 304) {
        response.framing = {};
    } else if (section.chunked) {
        response.framing = {Framing::Kind::chunked};
    } else if (section.length) {
        response.framing = {Framing::Kind::length, *section.length};
    } else {
        response.framing = {Framing::Kind::until_close};
    }
    response.keep_alive =
        old ? names_connection(section, "keep-alive") : !names_connection(section, "close");
    response.keep_alive &= response.framing.kind != Framing::Kind::until_close;
    if (names_connection(section, "upgrade")) {
        response.upgrade = section.upgrade;
    }
    // The length of the body that a HEAD or 304 answer speaks of is the message's own.
    const auto length = section.length;
    drop_hop_by_hop(section);
    response.head.fields = std::move(section.fields);
    if (length && response.framing.kind == Framing::Kind::none && status != 204 && status >= 200) {
        response.head.fields.push_back({"content-length", std::to_string(*length)});
    }
    return response;
}

bool forbidden_trailer(std::string_view name) {
    constexpr std::string_view kForbidden[] = {"authorization",
                                               "cache-control",
                                               "connection",
                                               "content-encoding",
                                               "content-length",
                                               "content-range",
                                               "content-type",
                                               "cookie",
                                               "expect",
                                               "host",
                                               "keep-alive",
                                               "max-forwards",
                                               "proxy-authenticate",
                                               "proxy-authorization",
                                               "proxy-connection",
                                               "range",
                                               "set-cookie",
                                               "te",
                                               "trailer",
                                               "transfer-encoding",
                                               "upgrade",
                                               "www-authenticate",
                                               "x-api-key"};
    return std::ranges::find(kForbidden, name) != std::end(kForbidden);
}

Result<Fields> parse_trailers(std::string_view text) {
    Section section = ANCHORHOLD_TRY(parse_fields(text));
    std::erase_if(section.fields, [](const Field& field) { return forbidden_trailer(field.name); });
    return std::move(section.fields);
}

}  // namespace anchorhold::proxy::http1
