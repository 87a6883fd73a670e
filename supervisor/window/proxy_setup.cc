// The pipe takes all of it before anybody reads.
#include "supervisor/window/proxy_setup.h"

#include <fcntl.h>

#include "base/sys.h"
#include "supervisor/secrets/setup.h"

namespace anchorhold::supervisor {
namespace {

constexpr int kPipeSize = 1 << 20;

}  // namespace

Result<OwnFd> write_setup(const proto::ProxySetup& setup, const proxy::SecretStore& secrets) {
    sys::Pipe pipe = ANCHORHOLD_TRY(sys::pipe());
    if (::fcntl(pipe.write_end.get(), F_SETPIPE_SZ, kPipeSize) < 0) {
        return fail_errno("fcntl", "the setup pipe");
    }
    const auto encoded = ANCHORHOLD_TRY(encode_setup(setup, secrets));
    if (encoded.size > static_cast<size_t>(kPipeSize)) {
        return fail("the policy and its secrets are larger than 1 MiB");
    }
    ANCHORHOLD_TRY(sys::write_all(pipe.write_end.get(), encoded.bytes()));
    return std::move(pipe.read_end);
}

}  // namespace anchorhold::supervisor
