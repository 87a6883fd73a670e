// SHA-256 and HMAC-SHA-256 over reused OpenSSL contexts, and hex.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "supervisor/audit/audit_keys.h"

struct evp_mac_ctx_st;
struct evp_md_ctx_st;

namespace anchorhold::supervisor {

// One thread at a time.
class Hasher {
  public:
    Hasher();
    ~Hasher();
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;
    [[nodiscard]] Sha256 of(std::string_view bytes);

  private:
    evp_md_ctx_st* context_;
};

// The MAC of each record and the key of the next, from one key (RFC 2104). A record's line begins
// with '{', the ratchet's input does not, so neither is ever the other.
class Ratchet {
  public:
    Ratchet();
    ~Ratchet();
    Ratchet(const Ratchet&) = delete;
    Ratchet& operator=(const Ratchet&) = delete;

    // HMAC-SHA-256 of `bytes` under `key`; then `key` becomes the next one, the old one is wiped.
    [[nodiscard]] Sha256 mac_and_advance(MacKey& key, std::string_view bytes);
    // As if a record had been MACed.
    void advance(MacKey& key);
    // HMAC-SHA-256 alone.
    [[nodiscard]] Sha256 mac(const MacKey& key, std::string_view bytes);

  private:
    void next(MacKey& key);

    evp_mac_ctx_st* context_;
};

// Overwrites memory in a way the compiler keeps.
void wipe(std::span<uint8_t> memory);

void append_hex(std::string& out, std::span<const uint8_t> bytes);
[[nodiscard]] std::string to_hex(std::span<const uint8_t> bytes);
// Exactly `out.size()` bytes in lower-case hex; false otherwise.
[[nodiscard]] bool from_hex(std::string_view text, std::span<uint8_t> out);

}  // namespace anchorhold::supervisor
