// One sandbox's proxy, in the process that the zygote forked for it.
#pragma once

#include "base/fd.h"
#include "proxy/tls/openssl.h"

namespace anchorhold::proxy {

struct ProxyDescriptors {
    OwnFd control;
    OwnFd streams;
    OwnFd dialer;
    OwnFd setup;
};

// Reads the setup, locks itself in and serves until the supervisor is gone or nothing was to do for
// long. Returns the exit status.
int run_proxy(ProxyDescriptors descriptors, X509_STORE* trust);

}  // namespace anchorhold::proxy
