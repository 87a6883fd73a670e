// anchorhold-machine-agent: PID 1 of the emulated host. images/machine/init has mounted everything
// before.
#include <fcntl.h>
#include <signal.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "base/sys.h"
#include "exec/plain_launcher.h"
#include "machine/agent.h"
#include "machine/kvm_keeper.h"
#include "machine/kvm_probe.h"
#include "machine/mux_port.h"

namespace anchorhold::machine {
namespace {

constexpr const char* kBuildIdFile = "/etc/anchorhold-build-id";
constexpr Duration kPortPatience = std::chrono::seconds(10);
// Every instruction of the probe is emulated twice here.
constexpr Duration kProbePatience = std::chrono::seconds(20);

void prepare_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

// What commands inherit unless they ask for something else.
void prepare_environment() {
    ::clearenv();
    ::setenv("HOME", "/root", 1);
    ::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    if (::chdir("/") < 0) {
        log::warning("chdir /: the agent stays where it is");
    }
}

Status run() {
    prepare_signals();
    prepare_environment();
    Greeting greeting;
    greeting.build_id = ANCHORHOLD_TRY(sys::read_file(kBuildIdFile));
    greeting.build_id.resize(std::min(greeting.build_id.find('\n'), greeting.build_id.size()));
    OwnFd port = ANCHORHOLD_TRY(open_mux_port(kPortPatience));
    const KvmProbe probe = probe_kvm("/dev/kvm", kProbePatience);
    if (!probe.usable) {
        log::error("KVM in the machine is not usable: {}", probe.reason);
    }
    greeting.kvm_usable = probe.usable;
    const auto keeper = KvmKeeper::create();
    if (!keeper) {
        log::error("{}", keeper.error().message);
    }
    exec::PlainLauncher launcher;
    const std::unique_ptr<EventLoop> loop = ANCHORHOLD_TRY(EventLoop::create());
    const std::unique_ptr<Agent> agent =
        ANCHORHOLD_TRY(Agent::start(*loop, std::move(port), launcher, greeting));
    ANCHORHOLD_TRY(loop->run());
    if (agent->lost()) {
        return tl::unexpected(*agent->lost());
    }
    return {};
}

// -no-reboot makes QEMU end at a reboot, which works on every machine type; a power-off needs ACPI.
[[noreturn]] void end_machine() {
    ::sync();
    ::reboot(RB_AUTOBOOT);
    ::_exit(EXIT_FAILURE);
}

}  // namespace
}  // namespace anchorhold::machine

int main() {
    using namespace anchorhold;
    if (::getpid() != 1) {
        std::fputs(
            "anchorhold-machine-agent: this is PID 1 of the emulated host; use anchorhold "
            "machine\n",
            stderr);
        return EXIT_FAILURE;
    }
    log::configure("machine-agent", log::level_from_environment(log::Level::kWarning));
    const Status ran = machine::run();
    if (!ran) {
        log::error("{}", ran.error().message);
    }
    machine::end_machine();
}
