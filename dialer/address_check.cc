// The table of addresses that are not public, and the judgement over it.
#include "dialer/address_check.h"

#include <fmt/format.h>
#include <ifaddrs.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace anchorhold::dialer {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFresh = 1s;

struct SpecialRange {
    std::string_view range;
    Reach reach;
    std::string_view what;
};

// The first that contains an address decides, so what is narrow stands above what is wide.
// clang-format off: a table
constexpr SpecialRange kRanges[] = {
    {"169.254.169.254/32", Reach::exactly, "a cloud metadata service"},
    {"169.254.170.2/32", Reach::exactly, "a container credential service"},
    {"169.254.170.23/32", Reach::exactly, "a container credential service"},
    {"168.63.129.16/32", Reach::exactly, "a cloud metadata service"},
    {"100.100.100.200/32", Reach::exactly, "a cloud metadata service"},
    {"192.0.0.192/32", Reach::exactly, "a cloud metadata service"},
    {"fd00:ec2::254/128", Reach::exactly, "a cloud metadata service"},
    {"fd00:ec2::23/128", Reach::exactly, "a container credential service"},
    {"fd20:ce::254/128", Reach::exactly, "a cloud metadata service"},

    {"0.0.0.0/8", Reach::never, "an address of \"this network\""},  // RFC 791 §3.2
    {"10.0.0.0/8", Reach::named, "a private address"},              // RFC 1918
    {"100.64.0.0/10", Reach::named, "a carrier's shared address"},  // RFC 6598
    {"127.0.0.0/8", Reach::named, "a loopback address"},            // RFC 1122 §3.2.1.3
    {"169.254.0.0/16", Reach::named, "a link-local address"},       // RFC 3927
    {"172.16.0.0/12", Reach::named, "a private address"},           // RFC 1918
    {"192.0.0.0/24", Reach::named, "an IETF protocol address"},     // RFC 6890 §2.1
    {"192.0.2.0/24", Reach::named, "a documentation address"},      // RFC 5737
    {"192.88.99.0/24", Reach::named, "a 6to4 relay address"},       // RFC 7526
    {"192.168.0.0/16", Reach::named, "a private address"},          // RFC 1918
    {"198.18.0.0/15", Reach::named, "a benchmarking address"},      // RFC 2544
    {"198.51.100.0/24", Reach::named, "a documentation address"},   // RFC 5737
    {"203.0.113.0/24", Reach::named, "a documentation address"},    // RFC 5737
    {"224.0.0.0/4", Reach::never, "a multicast address"},           // RFC 5771
    {"255.255.255.255/32", Reach::never, "the broadcast address"},  // RFC 8190
    {"240.0.0.0/4", Reach::named, "a reserved address"},            // RFC 1112 §4
    {"0.0.0.0/0", Reach::open, ""},

    {"::/128", Reach::never, "the unspecified address"},    // RFC 4291 §2.5.2
    {"::1/128", Reach::named, "a loopback address"},        // RFC 4291 §2.5.3
    {"::/96", Reach::never, "an IPv4-compatible address"},  // RFC 4291 §2.5.5.1
    {"ff00::/8", Reach::never, "a multicast address"},      // RFC 4291 §2.7
    {"fe80::/10", Reach::never, "a link-local address"},    // RFC 4291 §2.5.6; it needs a scope
    {"fec0::/10", Reach::named, "a site-local address"},    // RFC 3879
    {"fc00::/7", Reach::named, "a private address"},        // RFC 4193
    {"64:ff9b:1::/48", Reach::named, "a local NAT64 address"},  // RFC 8215
    {"64:ff9b::/96", Reach::open, ""},                // RFC 6052 §2.1: what is inside decides
    {"2001::/32", Reach::named, "a Teredo address"},  // RFC 4380 §2.6
    {"2001::/23", Reach::named, "an IETF protocol address"},     // RFC 2928
    {"2001:db8::/32", Reach::named, "a documentation address"},  // RFC 3849
    {"2002::/16", Reach::named, "a 6to4 address"},               // RFC 3056 §2
    {"3fff::/20", Reach::named, "a documentation address"},      // RFC 9637
    {"2000::/3", Reach::open, ""},                               // RFC 4291 §2.4: global unicast
    {"::/0", Reach::named, "not a global unicast address"},
};
// clang-format on

struct ParsedRange {
    Cidr range;
    Standing standing;
};

const std::vector<ParsedRange>& ranges() {
    static const std::vector<ParsedRange> parsed = [] {
        std::vector<ParsedRange> result;
        for (const SpecialRange& entry : kRanges) {
            result.push_back({Cidr::parse(entry.range).value(), {entry.reach, entry.what}});
        }
        return result;
    }();
    return parsed;
}

// RFC 6052 §2.2: a /96 prefix has the IPv4 address at its end.
bool is_nat64(const IpAddress& address) {
    static const Cidr prefix = Cidr::parse("64:ff9b::/96").value();
    return prefix.contains(address);
}

// RFC 5214 §6.1: an interface identifier of 0000:5efe or 0200:5efe and an IPv4 address.
bool is_isatap(const IpAddress& address) {
    if (address.is_v4()) {
        return false;
    }
    const auto bytes = address.bytes();
    return (bytes[8] & 0xfd) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
}

}  // namespace

Standing standing_of(const IpAddress& address) {
    Standing standing;
    for (const ParsedRange& entry : ranges()) {
        if (entry.range.contains(address)) {
            standing = entry.standing;
            break;
        }
    }
    if (is_nat64(address) || is_isatap(address)) {
        const Standing inside = standing_of(address.embedded_v4(12));
        return inside.reach > standing.reach ? inside : standing;
    }
    return standing;
}

HostAddresses::HostAddresses(const Clock& clock, Read read)
    : clock_(clock), read_(std::move(read)) {}

Result<bool> HostAddresses::contains(const IpAddress& address) {
    const TimePoint now = clock_.now();
    if (!read_at_ || now - *read_at_ >= kFresh) {
        read_at_.reset();
        addresses_ = ANCHORHOLD_TRY(read_());
        read_at_ = now;
    }
    return std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end();
}

Result<std::vector<IpAddress>> read_host_addresses() {
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) < 0) {
        return fail_errno("getifaddrs");
    }
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(first, &::freeifaddrs);
    std::vector<IpAddress> addresses;
    for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
        if (const auto address = IpAddress::from_socket_address(entry->ifa_addr)) {
            addresses.push_back(*address);
        }
    }
    return addresses;
}

std::optional<std::string> AddressCheck::refusal(const IpAddress& address,
                                                 std::span<const Cidr> named) {
    Standing standing = standing_of(address);
    if (standing.reach == Reach::open) {
        // Behind NAT64 the host's own IPv4 address is still the host.
        const IpAddress real = is_nat64(address) ? address.embedded_v4(12) : address;
        const auto own = own_.contains(real);
        if (!own) {
            return fmt::format("the host's own addresses cannot be told from {}: {}",
                               address.text(), own.error().message);
        }
        if (!*own) {
            return std::nullopt;
        }
        standing = {Reach::named, "an address of the host itself"};
    }
    const auto names_it = [&](const Cidr& range) {
        return range.contains(address) && (standing.reach == Reach::named ||
                                           (standing.reach == Reach::exactly && range.is_single()));
    };
    if (std::any_of(named.begin(), named.end(), names_it)) {
        return std::nullopt;
    }
    return fmt::format("{} is {}", address.text(), standing.what);
}

}  // namespace anchorhold::dialer
