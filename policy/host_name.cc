// Names are checked byte by byte; addresses are left to inet_pton, which reads one form only.
#include "policy/host_name.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxName = 253;  // RFC 1035 §2.3.4, without the root's dot
constexpr size_t kMaxLabel = 63;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// inet_aton and browsers read such a last label as a number and the whole as an IPv4 address.
bool reads_as_number(std::string_view label) {
    if (std::ranges::all_of(label, is_digit)) {
        return true;
    }
    return label.starts_with("0x") && std::ranges::all_of(label.substr(2), [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'f');
           });
}

tl::unexpected<Error> refused(std::string_view name, std::string_view why) {
    return fail(fmt::format("'{}' is not a host name: {}", log::escaped(name, 80), why));
}

Result<uint16_t> parse_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || text.front() == '0' ||
        !std::ranges::all_of(text, is_digit)) {
        return fail(fmt::format("'{}' is not a port", log::escaped(text, 16)));
    }
    uint32_t port = 0;
    for (const char digit : text) {
        port = port * 10 + static_cast<uint32_t>(digit - '0');
    }
    if (port > 65535) {
        return fail(fmt::format("port {} is beyond 65535", port));
    }
    return static_cast<uint16_t>(port);
}

// The canonical text of an address, or an error for any other spelling of one.
Result<std::string> canonical_address(int family, std::string_view text) {
    std::array<unsigned char, 16> bytes{};
    std::array<char, INET6_ADDRSTRLEN> canonical{};
    const std::string terminated(text);
    if (text.find('\0') != std::string_view::npos ||
        inet_pton(family, terminated.c_str(), bytes.data()) != 1 ||
        inet_ntop(family, bytes.data(), canonical.data(), canonical.size()) == nullptr) {
        return fail(fmt::format("'{}' is not an address", log::escaped(text, 80)));
    }
    return std::string(canonical.data());
}

}  // namespace

Result<std::string> strict_host_name(std::string_view name) {
    std::string_view rest = name;
    if (rest.ends_with('.')) {
        rest.remove_suffix(1);
    }
    if (rest.empty()) {
        return refused(name, "it is empty");
    }
    if (rest.size() > kMaxName) {
        return refused(name, "it is longer than 253 bytes");
    }
    std::string strict;
    strict.reserve(rest.size());
    size_t label = 0;  // where the current one begins in `strict`
    for (size_t i = 0; i <= rest.size(); ++i) {
        if (i < rest.size() && rest[i] != '.') {
            const char c = rest[i];
            if (!is_letter(c) && !is_digit(c) && c != '-') {
                return refused(name, "only letters, digits, hyphens and dots may be in it");
            }
            strict.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
            continue;
        }
        const auto whole = std::string_view(strict).substr(label);
        if (whole.empty()) {
            return refused(name, "it has an empty label");
        }
        if (whole.size() > kMaxLabel) {
            return refused(name, "a label is longer than 63 bytes");
        }
        if (whole.front() == '-' || whole.back() == '-') {
            return refused(name, "a label begins or ends with a hyphen");
        }
        if (i == rest.size() && reads_as_number(whole)) {
            return refused(name, "it could be read as an address");
        }
        if (i < rest.size()) {
            strict.push_back('.');
            label = strict.size();
        }
    }
    return strict;
}

Result<Authority> parse_authority(std::string_view authority) {
    if (authority.find('@') != std::string_view::npos) {
        return fail(fmt::format("'{}' carries user information", log::escaped(authority, 80)));
    }
    Authority parsed;
    std::string_view host = authority;
    std::string_view port;
    bool has_port = false;
    if (authority.starts_with('[')) {
        const size_t end = authority.find(']');
        if (end == std::string_view::npos) {
            return fail(fmt::format("'{}' has no closing bracket", log::escaped(authority, 80)));
        }
        host = authority.substr(1, end - 1);
        const std::string_view after = authority.substr(end + 1);
        if (!after.empty() && after.front() != ':') {
            return fail(fmt::format("'{}' goes on after its address", log::escaped(authority, 80)));
        }
        has_port = !after.empty();
        port = has_port ? after.substr(1) : after;
        parsed.host = ANCHORHOLD_TRY(canonical_address(AF_INET6, host));
        parsed.literal = true;
    } else {
        const size_t colon = authority.find(':');
        has_port = colon != std::string_view::npos;
        if (has_port) {
            host = authority.substr(0, colon);
            port = authority.substr(colon + 1);
        }
        if (auto address = canonical_address(AF_INET, host)) {
            parsed.host = std::move(*address);
            parsed.literal = true;
        } else {
            parsed.host = ANCHORHOLD_TRY(strict_host_name(host));
        }
    }
    if (has_port) {
        parsed.port = ANCHORHOLD_TRY(parse_port(port));
    }
    return parsed;
}

}  // namespace anchorhold::policy
