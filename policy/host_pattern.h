// Patterns over where a connection goes (proto::HostPattern), and ranges of addresses.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// A CIDR (RFC 4632, RFC 4291 §2.3) whose host bits are zero.
class AddressRange {
  public:
    // "192.0.2.0/24", "2001:db8::/32", or one address. Set host bits are refused.
    static Result<AddressRange> parse(std::string_view text);

    // The range of IPv4 ::ffff:0:0/96 is IPv4 (RFC 4291 §2.5.5.2).
    [[nodiscard]] bool contains(std::span<const unsigned char> address) const;
    // `contains` for the address or the IPv4 address that NAT64 (RFC 6052 §2.1), 6to4 (RFC 3056),
    // Teredo (RFC 4380 §4) or the IPv4-compatible form (RFC 4291 §2.5.5.1) has inside it.
    [[nodiscard]] bool contains_in_any_form(std::span<const unsigned char> address) const;
    [[nodiscard]] bool covers(const AddressRange& inner) const;
    [[nodiscard]] bool overlaps(const AddressRange& other) const;
    [[nodiscard]] std::string text() const;

  private:
    std::array<unsigned char, 16> bytes_{};
    size_t size_ = 0;  // 4 or 16
    unsigned prefix_ = 0;
};

// "api.example.com", "*.example.com", "192.0.2.0/24", "2001:db8::1", "*".
Result<proto::HostPattern> parse_host_pattern(std::string_view text);

// A pattern that came over the wire is one that parse_host_pattern() could have made.
Status check_host_pattern(const proto::HostPattern& pattern);

[[nodiscard]] std::string host_pattern_text(const proto::HostPattern& pattern);

// Names only; `host` is a strict name.
[[nodiscard]] bool host_matches(const proto::HostPattern& pattern, std::string_view host);

// Provably everything that `inner` matches, `outer` matches. "*" is every name and every address.
[[nodiscard]] bool host_covers(const proto::HostPattern& outer, const proto::HostPattern& inner);
// Some name or address matches both.
[[nodiscard]] bool hosts_overlap(const proto::HostPattern& a, const proto::HostPattern& b);

}  // namespace anchorhold::policy
