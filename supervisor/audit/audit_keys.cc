// Ed25519, X25519, HKDF and AES-GCM by OpenSSL; key files as PEM, so that other tools read them.
#include "supervisor/audit/audit_keys.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/check.h"
#include "base/fd.h"
#include "base/sys.h"
#include "supervisor/audit/digest.h"

namespace anchorhold::supervisor {
namespace {

struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
    void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
    void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
    void operator()(BIO* bio) const { BIO_free_all(bio); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr size_t kTagSize = 16;    // NIST SP 800-38D §5.2.1.2
constexpr size_t kNonceSize = 12;  // zeros: each sealing has its own key
constexpr size_t kSealedSize = kPublicKeySize + sizeof(MacKey) + kTagSize;
constexpr std::string_view kSealInfo = "anchorhold audit: sealed first key";

Owned<EVP_PKEY> make_key(const char* type) {
    Owned<EVP_PKEY> key(EVP_PKEY_Q_keygen(nullptr, nullptr, type));
    ANCHORHOLD_CHECK(key != nullptr);
    return key;
}

PublicKey public_half(const EVP_PKEY* key) {
    PublicKey bytes{};
    size_t size = bytes.size();
    ANCHORHOLD_CHECK(EVP_PKEY_get_raw_public_key(key, bytes.data(), &size) == 1);
    return bytes;
}

std::string bytes_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<size_t>(size));
}

std::string private_pem(EVP_PKEY* key) {
    const Owned<BIO> bio(BIO_new(BIO_s_secmem()));
    ANCHORHOLD_CHECK(bio != nullptr && PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0,
                                                                nullptr, nullptr) == 1);
    return bytes_of(bio.get());
}

std::string public_pem(EVP_PKEY* key) {
    const Owned<BIO> bio(BIO_new(BIO_s_mem()));
    ANCHORHOLD_CHECK(bio != nullptr && PEM_write_bio_PUBKEY(bio.get(), key) == 1);
    return bytes_of(bio.get());
}

enum class Half { secret, open };

// A key file of the wanted type (EVP_PKEY_ED25519, EVP_PKEY_X25519).
Result<Owned<EVP_PKEY>> read_pem(const std::string& path, int type, Half half) {
    std::string text = ANCHORHOLD_TRY(sys::read_file(path, 4096));
    const Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    ANCHORHOLD_CHECK(bio != nullptr);
    Owned<EVP_PKEY> key(half == Half::secret
                            ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)
                            : PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
    wipe(std::span(reinterpret_cast<uint8_t*>(text.data()), text.size()));
    if (key == nullptr || EVP_PKEY_get_id(key.get()) != type) {
        return fail(path + " is not the key file it should be; restore it from a backup");
    }
    return key;
}

Status check_private(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) {
        return fail_errno("stat", path);
    }
    if ((status.st_mode & 077) != 0) {
        return fail(path + " can be read by others; chmod 600 it and consider it known");
    }
    return {};
}

// Whole or not at all.
Status write_key_file(const std::string& path, std::string_view content, mode_t mode) {
    const std::string temporary = path + ".new";
    {
        const OwnFd fd = ANCHORHOLD_TRY(sys::open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
        ANCHORHOLD_TRY(sys::write_all(fd.get(), content));
        if (::fsync(fd.get()) < 0) {
            return fail_errno("fsync", temporary);
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) < 0) {
        return fail_errno("rename", path);
    }
    return {};
}

// The private half first: a public one without it would look as if its owner had taken it away.
Status make_pair(const std::string& stem, const char* type) {
    const Owned<EVP_PKEY> key = make_key(type);
    std::string secret = private_pem(key.get());
    const Status written = write_key_file(stem + ".key", secret, 0600);
    wipe(std::span(reinterpret_cast<uint8_t*>(secret.data()), secret.size()));
    ANCHORHOLD_TRY(written);
    return write_key_file(stem + ".pub", public_pem(key.get()), 0644);
}

// RFC 7748 §6.1, RFC 5869: the key of one sealing.
bool agree(EVP_PKEY* ours, const PublicKey& theirs, const PublicKey& ephemeral,
           const PublicKey& owner, MacKey& out) {
    const Owned<EVP_PKEY> peer(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, theirs.data(), theirs.size()));
    const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(ours, nullptr));
    MacKey shared{};
    size_t size = shared.size();
    if (peer == nullptr || context == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
        EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
        EVP_PKEY_derive(context.get(), shared.data(), &size) != 1) {
        return false;
    }
    std::string info(kSealInfo);
    info.append(ephemeral.begin(), ephemeral.end());
    info.append(owner.begin(), owner.end());
    const Owned<EVP_KDF> hkdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
    const Owned<EVP_KDF_CTX> kdf(EVP_KDF_CTX_new(hkdf.get()));
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, shared.data(), shared.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
        OSSL_PARAM_construct_end()};
    const bool derived =
        kdf != nullptr && EVP_KDF_derive(kdf.get(), out.data(), out.size(), parameters) == 1;
    wipe(shared);
    return derived;
}

const unsigned char* data_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

struct AuditKeys::Keys {
    Owned<EVP_PKEY> signing;
    PublicKey signing_public;
    PublicKey owner_public;
};

Result<AuditKeys> AuditKeys::open_or_create(const std::string& folder) {
    const std::string keys = folder + "/.keys";
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed || (::mkdir(keys.c_str(), 0700) < 0 && errno != EEXIST)) {
        return fail_errno(failed ? failed.value() : errno, "mkdir", keys);
    }
    const OwnFd lock = ANCHORHOLD_TRY(sys::open(keys, O_RDONLY | O_DIRECTORY));
    if (::flock(lock.get(), LOCK_EX) < 0) {
        return fail_errno("flock", keys);
    }
    const std::string signing = keys + "/signing";
    const std::string owner = keys + "/owner";
    if (::access((signing + ".pub").c_str(), F_OK) < 0) {
        ANCHORHOLD_TRY(make_pair(signing, "ED25519"));
    }
    if (::access((owner + ".pub").c_str(), F_OK) < 0) {
        ANCHORHOLD_TRY(make_pair(owner, "X25519"));
    }
    ANCHORHOLD_TRY(check_private(signing + ".key"));
    auto made = std::make_unique<Keys>();
    made->signing = ANCHORHOLD_TRY(read_pem(signing + ".key", EVP_PKEY_ED25519, Half::secret));
    made->signing_public = public_half(made->signing.get());
    const auto owner_key = ANCHORHOLD_TRY(read_pem(owner + ".pub", EVP_PKEY_X25519, Half::open));
    made->owner_public = public_half(owner_key.get());
    return AuditKeys(std::move(made));
}

AuditKeys::AuditKeys(std::unique_ptr<Keys> keys) : keys_(std::move(keys)) {}
AuditKeys::AuditKeys(AuditKeys&&) noexcept = default;
AuditKeys& AuditKeys::operator=(AuditKeys&&) noexcept = default;
AuditKeys::~AuditKeys() = default;

const PublicKey& AuditKeys::signing_public() const {
    return keys_->signing_public;
}
const PublicKey& AuditKeys::owner_public() const {
    return keys_->owner_public;
}

Signature AuditKeys::sign(std::string_view message) const {
    Signature signature{};
    size_t size = signature.size();
    const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    ANCHORHOLD_CHECK(
        context != nullptr &&
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, keys_->signing.get()) == 1 &&
        EVP_DigestSign(context.get(), signature.data(), &size, data_of(message), message.size()) ==
            1);
    return signature;
}

std::string AuditKeys::seal(const MacKey& key, std::string_view log_id) const {
    const Owned<EVP_PKEY> ephemeral = make_key("X25519");
    const PublicKey ephemeral_public = public_half(ephemeral.get());
    MacKey wrapping{};
    ANCHORHOLD_CHECK(agree(ephemeral.get(), keys_->owner_public, ephemeral_public,
                           keys_->owner_public, wrapping));
    std::string sealed(ephemeral_public.begin(), ephemeral_public.end());
    sealed.resize(kSealedSize);
    auto* const out = reinterpret_cast<unsigned char*>(sealed.data()) + kPublicKeySize;
    const std::array<unsigned char, kNonceSize> nonce{};
    const Owned<EVP_CIPHER_CTX> cipher(EVP_CIPHER_CTX_new());
    int size = 0;
    ANCHORHOLD_CHECK(
        cipher != nullptr &&
        EVP_EncryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), wrapping.data(), nonce.data(),
                            nullptr) == 1 &&
        EVP_EncryptUpdate(cipher.get(), nullptr, &size, data_of(log_id),
                          static_cast<int>(log_id.size())) == 1 &&
        EVP_EncryptUpdate(cipher.get(), out, &size, key.data(), static_cast<int>(key.size())) ==
            1 &&
        EVP_EncryptFinal_ex(cipher.get(), out + key.size(), &size) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, out + key.size()) == 1);
    wipe(wrapping);
    return sealed;
}

bool signature_holds(const PublicKey& key, std::string_view message, const Signature& signature) {
    const Owned<EVP_PKEY> known(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
    const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    return known != nullptr && context != nullptr &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, known.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), data_of(message),
                            message.size()) == 1;
}

Result<PublicKey> read_public_key(const std::string& path) {
    return public_half(ANCHORHOLD_TRY(read_pem(path, EVP_PKEY_ED25519, Half::open)).get());
}

Result<OwnerKey> OwnerKey::read(const std::string& path) {
    const auto key = ANCHORHOLD_TRY(read_pem(path, EVP_PKEY_X25519, Half::secret));
    OwnerKey owner;
    size_t size = owner.private_.size();
    ANCHORHOLD_CHECK(EVP_PKEY_get_raw_private_key(key.get(), owner.private_.data(), &size) == 1);
    return owner;
}

OwnerKey::OwnerKey(OwnerKey&& other) noexcept : private_(other.private_) {
    wipe(other.private_);
}
OwnerKey& OwnerKey::operator=(OwnerKey&& other) noexcept {
    private_ = other.private_;
    wipe(other.private_);
    return *this;
}
OwnerKey::~OwnerKey() {
    wipe(private_);
}

std::optional<MacKey> OwnerKey::unseal(std::string_view sealed, std::string_view log_id) const {
    if (sealed.size() != kSealedSize) {
        return std::nullopt;
    }
    PublicKey ephemeral{};
    std::copy_n(data_of(sealed), ephemeral.size(), ephemeral.begin());
    const Owned<EVP_PKEY> ours(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_.data(), private_.size()));
    MacKey wrapping{};
    if (ours == nullptr ||
        !agree(ours.get(), ephemeral, ephemeral, public_half(ours.get()), wrapping)) {
        return std::nullopt;
    }
    const unsigned char* const in = data_of(sealed) + kPublicKeySize;
    std::array<unsigned char, kTagSize> tag{};
    std::copy_n(in + sizeof(MacKey), tag.size(), tag.begin());
    const std::array<unsigned char, kNonceSize> nonce{};
    const Owned<EVP_CIPHER_CTX> cipher(EVP_CIPHER_CTX_new());
    MacKey key{};
    int size = 0;
    const bool opened =
        cipher != nullptr &&
        EVP_DecryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), wrapping.data(), nonce.data(),
                            nullptr) == 1 &&
        EVP_DecryptUpdate(cipher.get(), nullptr, &size, data_of(log_id),
                          static_cast<int>(log_id.size())) == 1 &&
        EVP_DecryptUpdate(cipher.get(), key.data(), &size, in, sizeof(MacKey)) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(cipher.get(), key.data() + size, &size) == 1;
    wipe(wrapping);
    return opened ? std::optional(key) : std::nullopt;
}

}  // namespace anchorhold::supervisor
