// anchorhold-proxy: started by the supervisor as a zygote, its control socket
// (proto/proxy_control.proto) as descriptor 3.
#include <csignal>

#include "base/log.h"
#include "proxy/zygote.h"

int main() {
    using namespace anchorhold;
    constexpr int kControlSocket = 3;
    log::configure("proxy", log::Level::kWarning);
    std::signal(SIGPIPE, SIG_IGN);
    return proxy::run_zygote(OwnFd(kControlSocket));
}
