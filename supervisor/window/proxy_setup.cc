// The pipe takes all of it before anybody reads.
#include "supervisor/window/proxy_setup.h"

#include <fcntl.h>

#include <utility>

#include "base/sys.h"
#include "proxy/credentials/secret_string.h"
#include "supervisor/secrets/setup.h"

namespace anchorhold::supervisor {
namespace {

constexpr int kPipeSize = 1 << 20;

}  // namespace

Result<OwnFd> write_setup(proto::ProxySetup setup, const CertificateAuthority& authority,
                          const proxy::SecretStore& secrets) {
    sys::Pipe pipe = ANCHORHOLD_TRY(sys::pipe());
    if (::fcntl(pipe.write_end.get(), F_SETPIPE_SZ, kPipeSize) < 0) {
        return fail_errno("fcntl", "the setup pipe");
    }
    Intermediate intermediate = ANCHORHOLD_TRY(authority.issue(setup.sandbox_name()));
    setup.set_intermediate_certificate(std::move(intermediate.certificate));
    setup.set_intermediate_key(intermediate.key);
    const auto encoded = encode_setup(setup, secrets);
    proxy::wipe(intermediate.key);
    proxy::wipe(*setup.mutable_intermediate_key());
    if (!encoded) {
        return tl::unexpected(encoded.error());
    }
    if (encoded->size > static_cast<size_t>(kPipeSize)) {
        return fail("the policy and its secrets are larger than 1 MiB");
    }
    ANCHORHOLD_TRY(sys::write_all(pipe.write_end.get(), encoded->bytes()));
    return std::move(pipe.read_end);
}

}  // namespace anchorhold::supervisor
