// One TLS connection with itself, before there is a sandbox.
#pragma once

#include "base/result.h"
#include "proxy/tls/openssl.h"

namespace anchorhold::proxy {

// Shakes hands and passes a record each way in memory, with keys that are thrown away: every proxy
// forked afterwards shares what OpenSSL looked up, built and loaded for it. An error means that TLS
// cannot work in this process at all.
Status rehearse_tls(X509_STORE* trust);

}  // namespace anchorhold::proxy
