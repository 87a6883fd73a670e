// Addresses and address ranges as values. An IPv4-mapped IPv6 address is the IPv4 address it stands
// for, from the moment it is made.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::dialer {

struct SocketAddress {
    sockaddr_storage storage;
    socklen_t size;
};

class IpAddress {
  public:
    // 4 or 16 bytes in network order; nullopt for any other length. ::ffff:0:0/96 (RFC 4291
    // §2.5.5.2) becomes IPv4.
    static std::optional<IpAddress> from_bytes(std::span<const uint8_t> bytes);
    static std::optional<IpAddress> from_bytes(std::string_view bytes);
    // nullopt for other families. A scope is dropped: scoped addresses are never dialled.
    static std::optional<IpAddress> from_socket_address(const sockaddr* address);
    // Strict text (inet_pton); for tables, settings and tests.
    static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool is_v4() const { return size_ == 4; }
    [[nodiscard]] std::span<const uint8_t> bytes() const { return {bytes_.data(), size_}; }
    [[nodiscard]] std::string text() const;
    [[nodiscard]] SocketAddress with_port(uint16_t port) const;

    // The IPv4 address in the four bytes from `offset` of an IPv6 address.
    [[nodiscard]] IpAddress embedded_v4(size_t offset) const;

    friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

  private:
    IpAddress() = default;

    uint8_t size_ = 4;
    std::array<uint8_t, 16> bytes_{};
};

class Cidr {
  public:
    // "192.0.2.0/24", "2001:db8::/32", or an address alone. Bits below the prefix are ignored.
    static Result<Cidr> parse(std::string_view text);

    [[nodiscard]] bool contains(const IpAddress& address) const;
    // Names exactly one address.
    [[nodiscard]] bool is_single() const { return prefix_ == network_.bytes().size() * 8; }

  private:
    Cidr(const IpAddress& network, unsigned prefix) : network_(network), prefix_(prefix) {}

    IpAddress network_;
    unsigned prefix_;
};

}  // namespace anchorhold::dialer
