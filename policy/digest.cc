// The schema has no maps, so one protobuf library serialises a message in one way.
#include "policy/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/check.h"

namespace anchorhold::policy {

std::string sha256(std::string_view bytes) {
    std::array<unsigned char, 32> digest{};
    unsigned size = 0;
    ANCHORHOLD_CHECK(
        EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1 &&
        size == digest.size());
    return {digest.begin(), digest.end()};
}

std::string hexadecimal(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return text;
}

std::string policy_digest(const proto::ResolvedPolicy& policy) {
    proto::ResolvedPolicy anywhere = policy;
    for (proto::PolicyDocument& document : *anywhere.mutable_documents()) {
        document.clear_file();
    }
    return "sha256:" + hexadecimal(sha256(anywhere.SerializeAsString()));
}

}  // namespace anchorhold::policy
