// anchorhold-dialer: one process per host, the only one of the window that has the network.
// Descriptor 3 is the supervisor's socket (proto/dialer.proto).
#include <sys/epoll.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "dialer/address_check.h"
#include "dialer/dialer.h"
#include "dialer/lock_down.h"
#include "dialer/resolver.h"

namespace anchorhold::dialer {
namespace {

constexpr int kControlSocket = 3;
constexpr size_t kResolverThreads = 16;

// Names are absolute: a search list would make one name out of another.
Status prepare_resolver() {
    if (::setenv("LOCALDOMAIN", ".", 1) < 0) {  // NOLINT(concurrency-mt-unsafe): no thread yet
        return fail_errno("setenv", "LOCALDOMAIN");
    }
    return {};
}

Status run() {
    const OwnFd control(kControlSocket);
    ANCHORHOLD_TRY(sys::set_nonblocking(control.get()));
    ANCHORHOLD_TRY(prepare_resolver());
    ANCHORHOLD_TRY(give_up_privileges());
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    PooledResolver resolver(*loop, kResolverThreads, look_up);
    ANCHORHOLD_TRY(install_filter());

    AddressCheck check(HostAddresses(steady_clock(), read_host_addresses));
    Dialer dialer(*loop, resolver, check, default_limits());
    Status ended;
    ANCHORHOLD_TRY(loop->add(control.get(), EPOLLIN, [&](uint32_t) {
        auto packet = receive_packet(control.get());
        if (packet && !packet->has_value()) {
            return;
        }
        const bool end_of_file = (packet && (*packet)->bytes.empty() && (*packet)->fds.empty()) ||
                                 (!packet && packet.error().code == ECONNRESET);
        if (!end_of_file) {
            ended = packet ? dialer.command(std::move(**packet))
                           : Status(tl::unexpected(packet.error()));
        }
        if (end_of_file || !ended) {
            loop->stop();
        }
    }));
    const Status ran = loop->run();
    const Status result = ended ? ran : ended;
    if (!result) {
        log::error("{}", result.error().message);
    }
    // A look-up may hang for a while yet; nobody waits for it.
    ::_exit(result ? 0 : 1);
}

}  // namespace
}  // namespace anchorhold::dialer

int main() {
    using namespace anchorhold;
    log::configure("dialer", log::level_from_environment(log::Level::kWarning));
    std::signal(SIGPIPE, SIG_IGN);
    const Status started = dialer::run();
    if (!started) {
        log::error("{}", started.error().message);
    }
    return 1;
}
