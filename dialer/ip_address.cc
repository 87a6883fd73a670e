// Bytes, text and socket addresses, with one canonical form.
#include "dialer/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace anchorhold::dialer {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<IpAddress> IpAddress::from_bytes(std::span<const uint8_t> bytes) {
    if (bytes.size() == 16 &&
        std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
        bytes = bytes.subspan(kMappedPrefix.size());
    }
    if (bytes.size() != 4 && bytes.size() != 16) {
        return std::nullopt;
    }
    IpAddress address;
    address.size_ = static_cast<uint8_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
    return address;
}

std::optional<IpAddress> IpAddress::from_bytes(std::string_view bytes) {
    std::array<uint8_t, 16> copy{};
    if (bytes.size() > copy.size()) {
        return std::nullopt;
    }
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    return from_bytes(std::span(copy.data(), bytes.size()));
}

std::optional<IpAddress> IpAddress::from_socket_address(const sockaddr* address) {
    if (address == nullptr) {
        return std::nullopt;
    }
    std::array<uint8_t, 16> bytes{};
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        std::memcpy(bytes.data(), &v4.sin_addr, 4);
        return from_bytes(std::span(bytes.data(), 4));
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, address, sizeof v6);
        std::memcpy(bytes.data(), &v6.sin6_addr, 16);
        return from_bytes(std::span(bytes));
    }
    return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string terminated(text);
    std::array<uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
        return from_bytes(std::span(bytes.data(), 4));
    }
    if (::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
        return from_bytes(std::span(bytes));
    }
    return std::nullopt;
}

std::string IpAddress::text() const {
    char buffer[INET6_ADDRSTRLEN];
    const char* written =
        ::inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof buffer);
    ANCHORHOLD_CHECK(written != nullptr);
    return written;
}

SocketAddress IpAddress::with_port(uint16_t port) const {
    SocketAddress result{};
    if (is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, bytes_.data(), 4);
        std::memcpy(&result.storage, &v4, sizeof v4);
        result.size = sizeof v4;
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, bytes_.data(), 16);
        std::memcpy(&result.storage, &v6, sizeof v6);
        result.size = sizeof v6;
    }
    return result;
}

IpAddress IpAddress::embedded_v4(size_t offset) const {
    ANCHORHOLD_CHECK(offset + 4 <= size_);
    return *from_bytes(bytes().subspan(offset, 4));
}

Result<Cidr> Cidr::parse(std::string_view text) {
    const size_t slash = text.find('/');
    const std::string_view network_text = text.substr(0, slash);
    const auto network = IpAddress::parse(network_text);
    if (!network) {
        return fail("'" + std::string(text) + "' is not an address range such as 192.0.2.0/24");
    }
    const bool written_as_v6 = network_text.find(':') != std::string_view::npos;
    const unsigned written_bits = written_as_v6 ? 128 : 32;
    unsigned prefix = written_bits;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const auto parsed = std::from_chars(digits.begin(), digits.end(), prefix);
        if (parsed.ec != std::errc() || parsed.ptr != digits.end() || prefix > written_bits) {
            return fail("'" + std::string(text) + "': the prefix is not a number up to " +
                        std::to_string(written_bits));
        }
    }
    if (written_as_v6 && network->is_v4()) {
        if (prefix < 96) {
            return fail("'" + std::string(text) + "' mixes IPv4-mapped and other addresses");
        }
        prefix -= 96;
    }
    return Cidr(*network, prefix);
}

bool Cidr::contains(const IpAddress& address) const {
    const auto ours = network_.bytes();
    const auto theirs = address.bytes();
    if (ours.size() != theirs.size()) {
        return false;
    }
    const unsigned whole = prefix_ / 8;
    if (!std::equal(ours.begin(), ours.begin() + whole, theirs.begin())) {
        return false;
    }
    const unsigned rest = prefix_ % 8;
    return rest == 0 || ((ours[whole] ^ theirs[whole]) >> (8 - rest)) == 0;
}

}  // namespace anchorhold::dialer
