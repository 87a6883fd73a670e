// Both sides are checked patterns here: exact names are strict and in lower case.
#include "policy/host_pattern.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/log.h"
#include "policy/host_name.h"

namespace anchorhold::policy {
namespace {

using Bytes = std::span<const unsigned char>;

bool starts_with(Bytes address, std::initializer_list<unsigned char> prefix) {
    return address.size() >= prefix.size() &&
           std::equal(prefix.begin(), prefix.end(), address.begin());
}

bool is_v4_mapped(Bytes address) {
    return address.size() == 16 && starts_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
}

// The IPv4 address inside an IPv6 one that some gateway or tunnel would unpack.
std::optional<std::array<unsigned char, 4>> embedded_v4(Bytes address) {
    if (address.size() != 16) {
        return std::nullopt;
    }
    const auto at = [&](size_t i) {
        return std::array<unsigned char, 4>{address[i], address[i + 1], address[i + 2],
                                            address[i + 3]};
    };
    if (starts_with(address, {0, 0x64, 0xff, 0x9b})) {
        return at(12);
    }
    if (starts_with(address, {0x20, 0x02})) {
        return at(2);
    }
    if (starts_with(address, {0x20, 0x01, 0, 0})) {
        auto client = at(12);
        for (unsigned char& byte : client) {
            byte = static_cast<unsigned char>(~byte);
        }
        return client;
    }
    if (starts_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) {
        return at(12);
    }
    return std::nullopt;
}

bool same_bits(Bytes a, Bytes b, unsigned bits) {
    const size_t whole = bits / 8;
    if (!std::equal(a.begin(), a.begin() + static_cast<ptrdiff_t>(whole), b.begin())) {
        return false;
    }
    const unsigned rest = bits % 8;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

Result<AddressRange> AddressRange::parse(std::string_view text) {
    AddressRange range;
    const size_t slash = text.find('/');
    const std::string address(text.substr(0, slash));
    const bool v6 = address.find(':') != std::string::npos;
    const auto refused = [&](std::string_view why) {
        return fail(
            fmt::format("'{}' is not a range of addresses: {}", log::escaped(text, 80), why));
    };
    if (address.find('\0') != std::string::npos ||
        inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), range.bytes_.data()) != 1) {
        return refused("write for example 192.0.2.0/24 or 2001:db8::/32");
    }
    range.size_ = v6 ? 16 : 4;
    const auto bits = static_cast<unsigned>(range.size_ * 8);
    range.prefix_ = bits;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const bool decimal =
            !digits.empty() && digits.size() <= 3 && (digits == "0" || digits.front() != '0') &&
            std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
        if (!decimal) {
            return refused("the prefix is a number of bits");
        }
        unsigned prefix = 0;
        for (const char digit : digits) {
            prefix = prefix * 10 + static_cast<unsigned>(digit - '0');
        }
        if (prefix > bits) {
            return refused(fmt::format("the prefix is beyond {} bits", bits));
        }
        range.prefix_ = prefix;
    }
    for (unsigned bit = range.prefix_; bit < bits; ++bit) {
        if ((range.bytes_[bit / 8] & (0x80U >> (bit % 8))) != 0) {
            return refused("it has bits beyond its prefix");
        }
    }
    if (is_v4_mapped(Bytes(range.bytes_).first(range.size_)) && range.prefix_ >= 96) {
        return refused("write the IPv4 range itself");
    }
    return range;
}

bool AddressRange::contains(Bytes address) const {
    if (is_v4_mapped(address)) {
        address = address.subspan(12);
    }
    return address.size() == size_ && same_bits(address, bytes_, prefix_);
}

bool AddressRange::contains_in_any_form(Bytes address) const {
    if (contains(address)) {
        return true;
    }
    const auto inside = embedded_v4(address);
    return inside && contains(*inside);
}

bool AddressRange::covers(const AddressRange& inner) const {
    return size_ == inner.size_ && prefix_ <= inner.prefix_ &&
           same_bits(inner.bytes_, bytes_, prefix_);
}

bool AddressRange::overlaps(const AddressRange& other) const {
    if (size_ != other.size_) {
        return true;  // an IPv6 range may hold the other one in an embedding
    }
    return covers(other) || other.covers(*this);
}

std::string AddressRange::text() const {
    std::array<char, INET6_ADDRSTRLEN> canonical{};
    inet_ntop(size_ == 16 ? AF_INET6 : AF_INET, bytes_.data(), canonical.data(), canonical.size());
    return fmt::format("{}/{}", canonical.data(), prefix_);
}

Result<proto::HostPattern> parse_host_pattern(std::string_view text) {
    proto::HostPattern pattern;
    if (text == "*") {
        pattern.set_any(true);
        return pattern;
    }
    if (text.starts_with("*.")) {
        auto suffix = strict_host_name(text.substr(2));
        if (!suffix) {
            return tl::unexpected(std::move(suffix).error());
        }
        pattern.set_suffix(std::move(*suffix));
        return pattern;
    }
    if (text.find('*') != std::string_view::npos) {
        return fail(
            fmt::format("'{}': a star stands for whole labels in front, as in *.example.com",
                        log::escaped(text, 80)));
    }
    if (text.find("://") != std::string_view::npos) {
        return fail(fmt::format("'{}' is a URL; write the host alone", log::escaped(text, 80)));
    }
    if (auto range = AddressRange::parse(text)) {
        pattern.set_cidr(range->text());
        return pattern;
    } else if (text.find('/') != std::string_view::npos) {
        return tl::unexpected(std::move(range).error());
    }
    if (text.find(':') != std::string_view::npos) {
        return fail(fmt::format("'{}': a port goes under port:", log::escaped(text, 80)));
    }
    auto exact = strict_host_name(text);
    if (!exact) {
        return tl::unexpected(std::move(exact).error());
    }
    pattern.set_exact(std::move(*exact));
    return pattern;
}

Status check_host_pattern(const proto::HostPattern& pattern) {
    const auto again = parse_host_pattern(host_pattern_text(pattern));
    if (!again) {
        return tl::unexpected(again.error());
    }
    if (again->pattern_case() != pattern.pattern_case() ||
        host_pattern_text(*again) != host_pattern_text(pattern)) {
        return fail(fmt::format("'{}' is not a host pattern in its one spelling",
                                log::escaped(host_pattern_text(pattern), 80)));
    }
    return {};
}

std::string host_pattern_text(const proto::HostPattern& pattern) {
    switch (pattern.pattern_case()) {
        case proto::HostPattern::kExact:
            return pattern.exact();
        case proto::HostPattern::kSuffix:
            return "*." + pattern.suffix();
        case proto::HostPattern::kCidr:
            return pattern.cidr();
        case proto::HostPattern::kAny:
            return pattern.any() ? "*" : "";
        case proto::HostPattern::PATTERN_NOT_SET:
            break;
    }
    return "";
}

bool host_matches(const proto::HostPattern& pattern, std::string_view host) {
    switch (pattern.pattern_case()) {
        case proto::HostPattern::kExact:
            return pattern.exact() == host;
        case proto::HostPattern::kSuffix:
            return host.size() > pattern.suffix().size() && host.ends_with(pattern.suffix()) &&
                   host[host.size() - pattern.suffix().size() - 1] == '.';
        case proto::HostPattern::kAny:
            return pattern.any();
        case proto::HostPattern::kCidr:
        case proto::HostPattern::PATTERN_NOT_SET:
            break;
    }
    return false;
}

bool host_covers(const proto::HostPattern& outer, const proto::HostPattern& inner) {
    if (outer.any()) {
        return true;
    }
    switch (inner.pattern_case()) {
        case proto::HostPattern::kExact:
            return host_matches(outer, inner.exact());
        case proto::HostPattern::kSuffix:
            return outer.has_suffix() &&
                   (outer.suffix() == inner.suffix() || host_matches(outer, inner.suffix()));
        case proto::HostPattern::kCidr: {
            if (!outer.has_cidr()) {
                return false;
            }
            const auto wide = AddressRange::parse(outer.cidr());
            const auto narrow = AddressRange::parse(inner.cidr());
            return wide && narrow && wide->covers(*narrow);
        }
        case proto::HostPattern::kAny:
        case proto::HostPattern::PATTERN_NOT_SET:
            break;
    }
    return false;
}

bool hosts_overlap(const proto::HostPattern& a, const proto::HostPattern& b) {
    if (a.has_cidr() && b.has_cidr()) {
        const auto left = AddressRange::parse(a.cidr());
        const auto right = AddressRange::parse(b.cidr());
        return left && right && left->overlaps(*right);
    }
    return host_covers(a, b) || host_covers(b, a);
}

}  // namespace anchorhold::policy
