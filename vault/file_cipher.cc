// HKDF, header, AES-GCM.
#include "vault/file_cipher.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstring>

#include "base/check.h"
#include "base/endian.h"

namespace anchorhold::vault {
namespace {

using Check = std::array<uint8_t, 16>;

struct Header {
    Le64 magic;
    Le32 version;
    Le32 chunk_bytes;
    FileCipher::Salt salt;
    Check key_check;
    Check context_check;
    std::array<uint8_t, 8> checksum;  // of all before: damage is not taken for a wrong key
};
static_assert(sizeof(Header) == kHeaderBytes);

constexpr uint64_t kMagic = 0x746c'7561'7668'6e61;  // "anhvault"
constexpr uint32_t kVersion = 1;
constexpr size_t kNonceBytes = 12;

template <typename T>
void append(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

const uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<const uint8_t*>(text.data());
}
const uint8_t* bytes_of(std::span<const std::byte> bytes) {
    return reinterpret_cast<const uint8_t*>(bytes.data());
}
uint8_t* bytes_of(std::span<std::byte> bytes) {
    return reinterpret_cast<uint8_t*>(bytes.data());
}

const char* kind_text(FileKind kind) {
    switch (kind) {
        case FileKind::kState:
            return "state";
        case FileKind::kMemory:
            return "memory";
        case FileKind::kDisk:
            return "disk";
        case FileKind::kOther:
            break;
    }
    return "file";
}

// Lengths before what they are of: no two contexts are the same bytes.
std::string context_bytes(const Context& context) {
    ANCHORHOLD_CHECK(context.sandbox.size() <= 255);
    std::string bytes;
    append(bytes, Le32(static_cast<uint32_t>(context.kind)));
    append(bytes, Le64(context.generation));
    append(bytes, Le32(static_cast<uint32_t>(context.sandbox.size())));
    return bytes + context.sandbox;
}

// HKDF-SHA256 of the key and the file's salt, for one purpose.
void derive(const Key& key, const FileCipher::Salt& salt, std::string info,
            std::span<uint8_t> out) {
    const std::unique_ptr<EVP_KDF, decltype(&::EVP_KDF_free)> kdf(
        ::EVP_KDF_fetch(nullptr, "HKDF", nullptr), &::EVP_KDF_free);
    ANCHORHOLD_CHECK(kdf != nullptr);
    const std::unique_ptr<EVP_KDF_CTX, decltype(&::EVP_KDF_CTX_free)> context(
        ::EVP_KDF_CTX_new(kdf.get()), &::EVP_KDF_CTX_free);
    ANCHORHOLD_CHECK(context != nullptr);
    std::string hash = "SHA256";
    const OSSL_PARAM parameters[] = {
        ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash.data(), 0),
        ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                            const_cast<uint8_t*>(key.bytes().data()), kKeyBytes),
        ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<uint8_t*>(salt.data()),
                                            salt.size()),
        ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
        ::OSSL_PARAM_construct_end(),
    };
    ANCHORHOLD_CHECK(::EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) == 1);
}

std::array<uint8_t, 8> checksum_of(const Header& header) {
    std::array<uint8_t, SHA256_DIGEST_LENGTH> hash{};
    ::SHA256(reinterpret_cast<const uint8_t*>(&header), offsetof(Header, checksum), hash.data());
    std::array<uint8_t, 8> first{};
    std::memcpy(first.data(), hash.data(), first.size());
    return first;
}

Header make_header(const Key& key, const Context& context, const FileCipher::Salt& salt) {
    Header header{.magic = kMagic,
                  .version = kVersion,
                  .chunk_bytes = uint32_t{kChunkBytes},
                  .salt = salt,
                  .key_check = {},
                  .context_check = {},
                  .checksum = {}};
    derive(key, salt, "anchorhold vault: key check", header.key_check);
    derive(key, salt, "anchorhold vault: context check" + context_bytes(context),
           header.context_check);
    header.checksum = checksum_of(header);
    return header;
}

}  // namespace

std::string context_text(const Context& context) {
    return fmt::format("{} of sandbox {}, generation {}", kind_text(context.kind), context.sandbox,
                       context.generation);
}

FileCipher::Salt FileCipher::random_salt() {
    Salt salt{};
    ANCHORHOLD_CHECK(::RAND_bytes(salt.data(), int{kSaltBytes}) == 1);
    return salt;
}

FileCipher::FileCipher(const Key& key, const Context& context, const Salt& salt)
    : sealing_(::EVP_CIPHER_CTX_new()), opening_(::EVP_CIPHER_CTX_new()) {
    append(header_, make_header(key, context, salt));
    bound_ = header_ + context_bytes(context);
    std::array<uint8_t, kKeyBytes> file_key{};
    derive(key, salt, "anchorhold vault: file key" + context_bytes(context), file_key);
    const std::unique_ptr<EVP_CIPHER, decltype(&::EVP_CIPHER_free)> cipher(
        ::EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr), &::EVP_CIPHER_free);
    ANCHORHOLD_CHECK(cipher != nullptr && sealing_ != nullptr && opening_ != nullptr &&
                     ::EVP_EncryptInit_ex2(sealing_.get(), cipher.get(), file_key.data(), nullptr,
                                           nullptr) == 1 &&
                     ::EVP_DecryptInit_ex2(opening_.get(), cipher.get(), file_key.data(), nullptr,
                                           nullptr) == 1);
    ::OPENSSL_cleanse(file_key.data(), file_key.size());
}

Result<FileCipher> FileCipher::open(std::string_view bytes, const Key& key,
                                    const Context& context) {
    Header header;
    if (bytes.size() < sizeof header) {
        return fail(fmt::format("encrypted file: shorter than its header: {} of {} bytes",
                                bytes.size(), sizeof header));
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.magic != kMagic) {
        return fail("encrypted file: not a file that this program encrypted");
    }
    if (header.checksum != checksum_of(header)) {
        return fail("encrypted file: damaged: its header's checksum does not match");
    }
    if (header.version != kVersion || header.chunk_bytes != kChunkBytes) {
        return fail(fmt::format("encrypted file: version {} of the format, this build reads {}",
                                static_cast<uint32_t>(header.version), kVersion));
    }
    FileCipher cipher(key, context, header.salt);
    Header expected;
    std::memcpy(&expected, cipher.header_.data(), sizeof expected);
    if (::CRYPTO_memcmp(header.key_check.data(), expected.key_check.data(), sizeof(Check)) != 0) {
        return fail("encrypted file: encrypted with another key");
    }
    if (::CRYPTO_memcmp(header.context_check.data(), expected.context_check.data(),
                        sizeof(Check)) != 0) {
        return fail("encrypted file: is not the " + context_text(context));
    }
    return cipher;
}

// The nonce is unique under the file's own key: number and flag.
void FileCipher::begin(EVP_CIPHER_CTX* context, uint64_t number, Last last) const {
    struct {
        Le64 number;
        Le32 last;
    } const nonce{number, static_cast<uint32_t>(last)};
    static_assert(sizeof nonce == kNonceBytes);
    const auto* nonce_bytes = reinterpret_cast<const uint8_t*>(&nonce);
    int count = 0;
    ANCHORHOLD_CHECK(
        ::EVP_CipherInit_ex2(context, nullptr, nullptr, nonce_bytes, -1, nullptr) == 1 &&
        ::EVP_CipherUpdate(context, nullptr, &count, bytes_of(bound_),
                           static_cast<int>(bound_.size())) == 1 &&
        ::EVP_CipherUpdate(context, nullptr, &count, nonce_bytes, int{kNonceBytes}) == 1);
}

void FileCipher::seal(uint64_t number, Last last, std::span<const std::byte> plain,
                      std::span<std::byte> out) {
    ANCHORHOLD_CHECK(plain.size() <= kChunkBytes && out.size() == plain.size() + kTagBytes);
    begin(sealing_.get(), number, last);
    int count = 0;
    int rest = 0;
    ANCHORHOLD_CHECK(::EVP_EncryptUpdate(sealing_.get(), bytes_of(out), &count, bytes_of(plain),
                                         static_cast<int>(plain.size())) == 1 &&
                     ::EVP_EncryptFinal_ex(sealing_.get(), bytes_of(out) + count, &rest) == 1 &&
                     ::EVP_CIPHER_CTX_ctrl(sealing_.get(), EVP_CTRL_AEAD_GET_TAG, int{kTagBytes},
                                           bytes_of(out) + plain.size()) == 1);
}

bool FileCipher::open_chunk(uint64_t number, Last last, std::span<const std::byte> sealed,
                            std::span<std::byte> out) {
    ANCHORHOLD_CHECK(out.size() <= kChunkBytes && sealed.size() == out.size() + kTagBytes);
    begin(opening_.get(), number, last);
    std::array<uint8_t, kTagBytes> tag{};
    std::memcpy(tag.data(), sealed.data() + out.size(), tag.size());
    int count = 0;
    int rest = 0;
    ANCHORHOLD_CHECK(::EVP_DecryptUpdate(opening_.get(), bytes_of(out), &count, bytes_of(sealed),
                                         static_cast<int>(out.size())) == 1 &&
                     ::EVP_CIPHER_CTX_ctrl(opening_.get(), EVP_CTRL_AEAD_SET_TAG, int{kTagBytes},
                                           tag.data()) == 1);
    return ::EVP_DecryptFinal_ex(opening_.get(), bytes_of(out) + count, &rest) == 1;
}

}  // namespace anchorhold::vault
