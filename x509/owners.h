// Owners for OpenSSL's objects that know nothing of TLS, and its error queue as text.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::x509 {

template <auto Free>
struct OpensslDeleter {
    template <typename Object>
    void operator()(Object* object) const {
        Free(object);
    }
};

using OwnKey = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using OwnCertificate = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using OwnBio = std::unique_ptr<BIO, OpensslDeleter<BIO_free_all>>;

// The oldest error of this thread's queue, which is emptied: "what: reason".
[[nodiscard]] inline tl::unexpected<Error> fail_openssl(std::string_view what) {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(code);
    return fail(std::string(what) + ": " + (reason != nullptr ? reason : "no reason given"));
}

}  // namespace anchorhold::x509
