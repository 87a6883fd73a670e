// anchorhold-machine-relay: the daemon of one machine. Not for people: `anchorhold machine` starts
// it. Descriptors: 0 a RelaySetup, 1 and 2 its log, 3 the exec listener, 4 the control listener.
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/sys.h"
#include "machine/relay.h"

namespace anchorhold::machine {
namespace {

constexpr int kExecListener = 3;
constexpr int kControlListener = 4;
constexpr size_t kMaxSetup = 64 * 1024;

Result<proto::RelaySetup> read_setup() {
    const std::string bytes = ANCHORHOLD_TRY(sys::read_file("/proc/self/fd/0", kMaxSetup));
    const auto setup =
        ANCHORHOLD_TRY(proto::parse<proto::RelaySetup>(bytes, "setup on standard input"));
    if (setup.qemu_size() == 0 || setup.directory().empty()) {
        return fail("no setup on standard input; use anchorhold machine start");
    }
    return setup;
}

// Leaves the caller's session and process tree; the parent returns at once so that it can be waited
// for.
Status become_daemon() {
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno("fork");
    }
    if (child > 0) {
        ::_exit(0);
    }
    ::setsid();
    if (::chdir("/") < 0) {
        return fail_errno("chdir", "/");
    }
    return {};
}

// SIGTERM, SIGINT and SIGHUP as a descriptor.
Result<OwnFd> termination_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
        sigaddset(&signals, number);
    }
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    OwnFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) {
        return fail_errno("signalfd");
    }
    return fd;
}

Status run() {
    const proto::RelaySetup setup = ANCHORHOLD_TRY(read_setup());
    ANCHORHOLD_TRY(become_daemon());
    const OwnFd signals = ANCHORHOLD_TRY(termination_signals());
    const std::unique_ptr<EventLoop> loop = ANCHORHOLD_TRY(EventLoop::create());
    const std::unique_ptr<Relay> relay =
        ANCHORHOLD_TRY(Relay::start(*loop, setup, OwnFd(kExecListener), OwnFd(kControlListener)));
    ANCHORHOLD_TRY(loop->add(signals.get(), EPOLLIN, [&](uint32_t) { relay->stop(); }));
    return loop->run();
}

}  // namespace
}  // namespace anchorhold::machine

int main() {
    using namespace anchorhold;
    log::configure("machine-relay", log::level_from_environment(log::Level::kWarning));
    const Status ran = machine::run();
    if (!ran) {
        log::error("{}", ran.error().message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
