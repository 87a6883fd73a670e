// The installation's keys for audit logs: one signs checkpoints, a chain of others gives each log
// its first MAC key.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::supervisor {

constexpr size_t kSha256Size = 32;
using Sha256 = std::array<uint8_t, kSha256Size>;
// Wiped by whoever holds it.
using MacKey = std::array<uint8_t, 32>;

constexpr size_t kSignatureSize = 64;  // Ed25519, RFC 8032 §5.1.6
constexpr size_t kPublicKeySize = 32;
using Signature = std::array<uint8_t, kSignatureSize>;
using PublicKey = std::array<uint8_t, kPublicKeySize>;

// A new log's number in the installation, from 1, and its first key.
struct LogKey {
    uint64_t serial = 0;
    MacKey key{};
};

// Below <folder>/.keys/: `signing.key` and `signing.pub` (Ed25519, PEM); `owner.key`, where the
// chain of log keys begins, until its owner takes it away, and `owner.id`, which tells one from
// another; `next-log`, the chain's current link. Private files are 0600.
class AuditKeys {
  public:
    // Makes the keys on the first call. Files that others may read are refused.
    static Result<AuditKeys> open_or_create(const std::string& folder);
    AuditKeys(AuditKeys&&) noexcept;
    AuditKeys& operator=(AuditKeys&&) noexcept;
    ~AuditKeys();

    [[nodiscard]] Signature sign(std::string_view message) const;
    [[nodiscard]] const PublicKey& signing_public() const;
    [[nodiscard]] const Sha256& owner_id() const;

    // The next log's. The link that gave it is overwritten before this returns: nobody but the
    // owner's key gives it again.
    [[nodiscard]] Result<LogKey> next_log_key() const;

  private:
    struct Keys;
    explicit AuditKeys(std::unique_ptr<Keys> keys);
    std::unique_ptr<Keys> keys_;
};

// What a verifier needs of them. The public key is the installation's word only where it came from
// elsewhere than the log.
[[nodiscard]] bool signature_holds(const PublicKey& key, std::string_view message,
                                   const Signature& signature);
[[nodiscard]] Result<PublicKey> read_public_key(const std::string& path);

// Where the chain begins, read from owner.key or from where its owner keeps it.
class OwnerKey {
  public:
    // Serial numbers beyond are no log's: a verifier computes that far.
    static constexpr uint64_t kMaxSerial = 10'000'000;

    static Result<OwnerKey> read(const std::string& path);
    OwnerKey(OwnerKey&& other) noexcept;
    OwnerKey& operator=(OwnerKey&& other) noexcept;
    ~OwnerKey();

    [[nodiscard]] Sha256 id() const;
    // The first key of a log; `serial` is 1 to kMaxSerial.
    [[nodiscard]] MacKey log_key(uint64_t serial) const;

  private:
    OwnerKey() = default;
    MacKey root_{};
};

}  // namespace anchorhold::supervisor
