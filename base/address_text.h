// Internet addresses for people.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace anchorhold {

// An IPv4 (4 bytes) or IPv6 (16 bytes) address in network order as inet_ntop(3) writes it; empty
// for any other size.
[[nodiscard]] std::string address_text(std::span<const std::byte> bytes);

}  // namespace anchorhold
