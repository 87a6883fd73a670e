// A streamed body's SHA-256 against the one that was signed. Internal to this folder.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace anchorhold::proxy {

class BodyDigest {
  public:
    // `expected`: in lower-case hexadecimal.
    explicit BodyDigest(std::string expected);
    void update(std::string_view piece);
    // Ends the digest; call once.
    [[nodiscard]] bool matches();

  private:
    struct Free {
        void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> context_;
    std::string expected_;
};

}  // namespace anchorhold::proxy
