// Ed25519 by OpenSSL, its files as PEM, so that other tools read them; the chain of log keys by
// HMAC.
#include "supervisor/audit/audit_keys.h"

#include <fcntl.h>
#include <openssl/evp.h>
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
#include "base/endian.h"
#include "base/fd.h"
#include "base/sys.h"
#include "supervisor/audit/digest.h"

namespace anchorhold::supervisor {
namespace {

struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(BIO* bio) const { BIO_free_all(bio); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr std::string_view kOwnerId = "anchorhold audit: owner";
constexpr std::string_view kLogKey = "anchorhold audit: log key";
constexpr std::string_view kNextLink = "anchorhold audit: next log";

// The file `next-log`, replaced in place like a log's state (ratchet_state.h).
struct LinkFile {
    std::array<uint8_t, 8> magic;  // "AHAUDITK"
    Le64 serial;
    MacKey link;
    Sha256 checksum;
};
static_assert(sizeof(LinkFile) == 80);
constexpr std::array<uint8_t, 8> kMagic = {'A', 'H', 'A', 'U', 'D', 'I', 'T', 'K'};

Sha256 checksum_of(const LinkFile& file) {
    Hasher hasher;
    return hasher.of({reinterpret_cast<const char*>(&file), offsetof(LinkFile, checksum)});
}

Status write_link(int fd, uint64_t serial, const MacKey& link) {
    LinkFile file{kMagic, serial, link, {}};
    file.checksum = checksum_of(file);
    const bool written = ::pwrite(fd, &file, sizeof file, 0) == sizeof file && ::fsync(fd) == 0;
    const int code = errno;
    wipe(file.link);
    return written ? Status() : fail_errno(code, "write", "the audit's next-log");
}

Owned<EVP_PKEY> make_signing_key() {
    Owned<EVP_PKEY> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
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

Result<Owned<EVP_PKEY>> read_pem(const std::string& path, Half half) {
    std::string text = ANCHORHOLD_TRY(sys::read_file(path, 4096));
    const Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    ANCHORHOLD_CHECK(bio != nullptr);
    Owned<EVP_PKEY> key(half == Half::secret
                            ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr)
                            : PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
    wipe(std::span(reinterpret_cast<uint8_t*>(text.data()), text.size()));
    if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
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

// The public file last: with it the pair is whole.
Status make_signing_pair(const std::string& keys) {
    const Owned<EVP_PKEY> key = make_signing_key();
    std::string secret = private_pem(key.get());
    const Status written = write_key_file(keys + "/signing.key", secret, 0600);
    wipe(std::span(reinterpret_cast<uint8_t*>(secret.data()), secret.size()));
    ANCHORHOLD_TRY(written);
    return write_key_file(keys + "/signing.pub", public_pem(key.get()), 0644);
}

Sha256 owner_id_of(const MacKey& root) {
    return Ratchet().mac(root, kOwnerId);
}

// The id last: with it the chain is whole, and owner.key may be taken away.
Status make_chain(const std::string& keys) {
    MacKey root{};
    ANCHORHOLD_CHECK(RAND_bytes(root.data(), static_cast<int>(root.size())) == 1);
    std::string text = to_hex(root) + "\n";
    Status made = write_key_file(keys + "/owner.key", text, 0600);
    wipe(std::span(reinterpret_cast<uint8_t*>(text.data()), text.size()));
    if (made) {
        auto next = sys::open(keys + "/next-log", O_WRONLY | O_CREAT, 0600);
        made = next ? write_link(next->get(), 1, root) : Status(tl::unexpected(next.error()));
    }
    if (made) {
        made = write_key_file(keys + "/owner.id", to_hex(owner_id_of(root)) + "\n", 0644);
    }
    wipe(root);
    return made;
}

// 64 hex digits and a newline.
Result<MacKey> read_hex(const std::string& path) {
    std::string text = ANCHORHOLD_TRY(sys::read_file(path, 4096));
    MacKey bytes{};
    const bool read = text.size() == 2 * bytes.size() + 1 && text.back() == '\n' &&
                      from_hex(std::string_view(text).substr(0, text.size() - 1), bytes);
    wipe(std::span(reinterpret_cast<uint8_t*>(text.data()), text.size()));
    return read ? Result<MacKey>(bytes)
                : fail(path + " is not the key file it should be; restore it from a backup");
}

Result<OwnFd> lock(const std::string& keys) {
    OwnFd folder = ANCHORHOLD_TRY(sys::open(keys, O_RDONLY | O_DIRECTORY));
    if (::flock(folder.get(), LOCK_EX) < 0) {
        return fail_errno("flock", keys);
    }
    return folder;
}

const unsigned char* data_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

struct AuditKeys::Keys {
    std::string folder;
    Owned<EVP_PKEY> signing;
    PublicKey signing_public;
    Sha256 owner_id;
};

Result<AuditKeys> AuditKeys::open_or_create(const std::string& folder) {
    const std::string keys = folder + "/.keys";
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed || (::mkdir(keys.c_str(), 0700) < 0 && errno != EEXIST)) {
        return fail_errno(failed ? failed.value() : errno, "mkdir", keys);
    }
    const OwnFd locked = ANCHORHOLD_TRY(lock(keys));
    if (::access((keys + "/signing.pub").c_str(), F_OK) < 0) {
        ANCHORHOLD_TRY(make_signing_pair(keys));
    }
    if (::access((keys + "/owner.id").c_str(), F_OK) < 0) {
        ANCHORHOLD_TRY(make_chain(keys));
    }
    ANCHORHOLD_TRY(check_private(keys + "/signing.key"));
    ANCHORHOLD_TRY(check_private(keys + "/next-log"));
    auto made = std::make_unique<Keys>();
    made->folder = keys;
    made->signing = ANCHORHOLD_TRY(read_pem(keys + "/signing.key", Half::secret));
    made->signing_public = public_half(made->signing.get());
    made->owner_id = ANCHORHOLD_TRY(read_hex(keys + "/owner.id"));
    return AuditKeys(std::move(made));
}

Result<LogKey> AuditKeys::next_log_key() const {
    const OwnFd locked = ANCHORHOLD_TRY(lock(keys_->folder));
    const std::string path = keys_->folder + "/next-log";
    const OwnFd next = ANCHORHOLD_TRY(sys::open(path, O_RDWR));
    LinkFile file{};
    if (::pread(next.get(), &file, sizeof file, 0) != sizeof file || file.magic != kMagic ||
        file.checksum != checksum_of(file)) {
        return fail(path + " is damaged; move the folder " + keys_->folder +
                    " away and keep it, so that new keys are made");
    }
    Ratchet ratchet;
    LogKey log{file.serial, ratchet.mac(file.link, kLogKey)};
    MacKey following = ratchet.mac(file.link, kNextLink);
    const Status written = write_link(next.get(), log.serial + 1, following);
    wipe(file.link);
    wipe(following);
    ANCHORHOLD_TRY(written);
    return log;
}

AuditKeys::AuditKeys(std::unique_ptr<Keys> keys) : keys_(std::move(keys)) {}
AuditKeys::AuditKeys(AuditKeys&&) noexcept = default;
AuditKeys& AuditKeys::operator=(AuditKeys&&) noexcept = default;
AuditKeys::~AuditKeys() = default;

const PublicKey& AuditKeys::signing_public() const {
    return keys_->signing_public;
}
const Sha256& AuditKeys::owner_id() const {
    return keys_->owner_id;
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
    return public_half(ANCHORHOLD_TRY(read_pem(path, Half::open)).get());
}

Result<OwnerKey> OwnerKey::read(const std::string& path) {
    OwnerKey owner;
    owner.root_ = ANCHORHOLD_TRY(read_hex(path));
    return owner;
}

OwnerKey::OwnerKey(OwnerKey&& other) noexcept : root_(other.root_) {
    wipe(other.root_);
}
OwnerKey& OwnerKey::operator=(OwnerKey&& other) noexcept {
    root_ = other.root_;
    wipe(other.root_);
    return *this;
}
OwnerKey::~OwnerKey() {
    wipe(root_);
}

Sha256 OwnerKey::id() const {
    return owner_id_of(root_);
}

MacKey OwnerKey::log_key(uint64_t serial) const {
    ANCHORHOLD_CHECK(serial > 0 && serial <= kMaxSerial);
    Ratchet ratchet;
    MacKey link = root_;
    for (uint64_t passed = 1; passed < serial; ++passed) {
        link = ratchet.mac(link, kNextLink);
    }
    const MacKey key = ratchet.mac(link, kLogKey);
    wipe(link);
    return key;
}

}  // namespace anchorhold::supervisor
