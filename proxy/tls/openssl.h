// Owners for OpenSSL's objects of TLS, besides those of x509/owners.h.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "x509/owners.h"

namespace anchorhold::proxy {

using x509::fail_openssl;
using x509::OpensslDeleter;
using x509::OwnBio;
using x509::OwnCertificate;
using x509::OwnKey;

using OwnContext = std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>>;
using OwnSsl = std::unique_ptr<SSL, OpensslDeleter<SSL_free>>;
using OwnStore = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;
using OwnSession = std::unique_ptr<SSL_SESSION, OpensslDeleter<SSL_SESSION_free>>;

}  // namespace anchorhold::proxy
