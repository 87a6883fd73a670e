// OpenSSL's digest of a body that passes in pieces.
#include "proxy/credentials/body_digest.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {

BodyDigest::BodyDigest(std::string expected)
    : context_(::EVP_MD_CTX_new()), expected_(std::move(expected)) {
    ANCHORHOLD_CHECK(context_ != nullptr &&
                     ::EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void BodyDigest::update(std::string_view piece) {
    ANCHORHOLD_CHECK(::EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) == 1);
}

bool BodyDigest::matches() {
    std::array<unsigned char, 32> digest{};
    unsigned size = digest.size();
    ANCHORHOLD_CHECK(::EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
    return hex_encode({reinterpret_cast<const char*>(digest.data()), size}).view() == expected_;
}

}  // namespace anchorhold::proxy
