// OpenSSL's EVP with everything fetched once.
#include "supervisor/audit/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/check.h"

namespace anchorhold::supervisor {
namespace {

constexpr std::string_view kNextKey = "anchorhold audit: next key";
constexpr char kHexDigits[] = "0123456789abcdef";

const unsigned char* data_of(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

// -1 for anything else.
int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

// Failures of these calls are failures to allocate.
Hasher::Hasher() : context_(EVP_MD_CTX_new()) {
    EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    ANCHORHOLD_CHECK(context_ != nullptr && sha256 != nullptr);
    ANCHORHOLD_CHECK(EVP_DigestInit_ex2(context_, sha256, nullptr) == 1);
    EVP_MD_free(sha256);  // the context has its own reference
}

Hasher::~Hasher() {
    EVP_MD_CTX_free(context_);
}

Sha256 Hasher::of(std::string_view bytes) {
    Sha256 digest;
    ANCHORHOLD_CHECK(EVP_DigestInit_ex2(context_, nullptr, nullptr) == 1 &&
                     EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1 &&
                     EVP_DigestFinal_ex(context_, digest.data(), nullptr) == 1);
    return digest;
}

Ratchet::Ratchet() {
    EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    ANCHORHOLD_CHECK(hmac != nullptr);
    context_ = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    char name[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end()};
    ANCHORHOLD_CHECK(context_ != nullptr && EVP_MAC_CTX_set_params(context_, parameters) == 1);
}

Ratchet::~Ratchet() {
    EVP_MAC_CTX_free(context_);
}

Sha256 Ratchet::mac_and_advance(MacKey& key, std::string_view bytes) {
    const Sha256 result = mac(key, bytes);
    ANCHORHOLD_CHECK(EVP_MAC_init(context_, nullptr, 0, nullptr) == 1);  // the same key again
    next(key);
    return result;
}

Sha256 Ratchet::mac(const MacKey& key, std::string_view bytes) {
    Sha256 mac;
    ANCHORHOLD_CHECK(EVP_MAC_init(context_, key.data(), key.size(), nullptr) == 1 &&
                     EVP_MAC_update(context_, data_of(bytes), bytes.size()) == 1 &&
                     EVP_MAC_final(context_, mac.data(), nullptr, mac.size()) == 1);
    return mac;
}

void Ratchet::advance(MacKey& key) {
    ANCHORHOLD_CHECK(EVP_MAC_init(context_, key.data(), key.size(), nullptr) == 1);
    next(key);
}

void Ratchet::next(MacKey& key) {
    ANCHORHOLD_CHECK(EVP_MAC_update(context_, data_of(kNextKey), kNextKey.size()) == 1 &&
                     EVP_MAC_final(context_, key.data(), nullptr, key.size()) == 1);
}

void wipe(std::span<uint8_t> memory) {
    OPENSSL_cleanse(memory.data(), memory.size());
}

void append_hex(std::string& out, std::span<const uint8_t> bytes) {
    const size_t start = out.size();
    out.resize(start + bytes.size() * 2);
    char* to = out.data() + start;
    for (const uint8_t byte : bytes) {
        *to++ = kHexDigits[byte >> 4];
        *to++ = kHexDigits[byte & 15];
    }
}

std::string to_hex(std::span<const uint8_t> bytes) {
    std::string text;
    append_hex(text, bytes);
    return text;
}

bool from_hex(std::string_view text, std::span<uint8_t> out) {
    if (text.size() != out.size() * 2) {
        return false;
    }
    for (size_t i = 0; i < out.size(); ++i) {
        const int high = hex_value(text[2 * i]);
        const int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return true;
}

}  // namespace anchorhold::supervisor
