// The sandbox's own certificate authority: its key is made in this process and never leaves it.
#pragma once

#include <string>

#include "base/result.h"
#include "proxy/tls/openssl.h"

namespace anchorhold::proxy {

struct CertifiedKey {
    OwnKey key;               // P-256
    std::string certificate;  // DER, signed by the installation's root
};

// Asks the supervisor over the proxy's control socket, of which nothing else was sent or read yet,
// and waits at most ten seconds for the answer.
Result<CertifiedKey> make_intermediate(int control);

}  // namespace anchorhold::proxy
