// A sandbox's list of destinations: what its proxy may ask for at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dialer/ip_address.h"
#include "proto/dialer.pb.h"

namespace anchorhold::dialer {

// A name that the resolver cannot read as anything but a name: lower-case letters, digits, hyphens
// and dots, labels of 1 to 63, 253 in all, a last label that is no number in any base (RFC 1123
// §2.1; inet_aton would read 0x7f000001 as an address).
[[nodiscard]] bool is_plain_name(std::string_view name);

// A name, "*.suffix" (any name below it, not itself) or "*".
class NamePattern {
  public:
    static Result<NamePattern> parse(std::string_view text);
    [[nodiscard]] bool matches(std::string_view name) const;

  private:
    enum class Kind { exact, suffix, any };
    NamePattern(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}

    Kind kind_;
    std::string text_;  // a suffix with its leading dot
};

class Destinations {
  public:
    // Adds to the list; refused whole when one is malformed or they are too many.
    Status add(const proto::AddClient& more);

    // The private ranges of all destinations that match, perhaps none; nullopt: nothing matches.
    [[nodiscard]] std::optional<std::vector<Cidr>> match_name(std::string_view name,
                                                              uint16_t port) const;
    [[nodiscard]] std::optional<std::vector<Cidr>> match_address(const IpAddress& address,
                                                                 uint16_t port) const;

  private:
    struct Entry {
        std::optional<NamePattern> name;  // exactly one of name and
        std::optional<Cidr> addresses;
        std::vector<uint16_t> ports;
        std::vector<Cidr> private_ranges;
    };
    static Result<Entry> read(const proto::Destination& destination);
    template <typename Matches>
    [[nodiscard]] std::optional<std::vector<Cidr>> match(uint16_t port, Matches matches) const;

    std::vector<Entry> entries_;
};

}  // namespace anchorhold::dialer
