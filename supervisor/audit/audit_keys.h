// The installation's two keys for audit logs: one signs checkpoints, one seals each log's first
// MAC key to its owner.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
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

// Below <folder>/.keys/: `signing.key` and `signing.pub` (Ed25519), `owner.pub` and, until its
// owner takes it away, `owner.key` (X25519). Private halves are 0600.
class AuditKeys {
  public:
    // Makes the keys on the first call. Files that others may read are refused.
    static Result<AuditKeys> open_or_create(const std::string& folder);
    AuditKeys(AuditKeys&&) noexcept;
    AuditKeys& operator=(AuditKeys&&) noexcept;
    ~AuditKeys();

    [[nodiscard]] Signature sign(std::string_view message) const;
    [[nodiscard]] const PublicKey& signing_public() const;
    [[nodiscard]] const PublicKey& owner_public() const;

    // The key as only owner.key opens it: ephemeral X25519, HKDF-SHA-256, AES-256-GCM bound to
    // `log_id`.
    [[nodiscard]] std::string seal(const MacKey& key, std::string_view log_id) const;

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

// The owner's private key, read from owner.key or from where its owner keeps it.
class OwnerKey {
  public:
    static Result<OwnerKey> read(const std::string& path);
    OwnerKey(OwnerKey&& other) noexcept;
    OwnerKey& operator=(OwnerKey&& other) noexcept;
    ~OwnerKey();

    // nullopt: not sealed to this key for this log, or changed since.
    [[nodiscard]] std::optional<MacKey> unseal(std::string_view sealed,
                                               std::string_view log_id) const;

  private:
    OwnerKey() = default;
    std::array<uint8_t, 32> private_{};
};

}  // namespace anchorhold::supervisor
