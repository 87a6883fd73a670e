// anchorhold-init, PID 1 of the guest: mounts, settings, walls, listeners, Ready; then serves until
// the machine is reset.
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <x86intrin.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/sys.h"
#include "exec/server.h"
#include "exec/session.h"
#include "guest-init/agent_cgroup.h"
#include "guest-init/agent_launcher.h"
#include "guest-init/control.h"
#include "guest-init/egress/egress.h"
#include "guest-init/egress/resolver_files.h"
#include "guest-init/mount_plan.h"
#include "guest-init/power_off.h"
#include "guest-init/reaper.h"
#include "guest-init/root_file_system.h"
#include "guest-init/system_settings.h"
#include "guest-init/trust/trust_store.h"
#include "guest-init/uniqueness/freezer.h"
#include "guest-init/uniqueness/kernel_identity.h"
#include "guest-init/uniqueness/page_cache.h"
#include "guest-init/uniqueness/stillness.h"
#include "guest-init/vsock.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"
#include "proto/ports.h"

namespace anchorhold::guest_init {
namespace {

// Descriptors 0 to 2 exist, so that no pipe of a command gets their numbers, and log lines go to
// the kernel's log.
Status open_stdio() {
    if (::mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, nullptr) < 0) {
        return fail_errno("mount", "devtmpfs on /dev");
    }
    const OwnFd log = ANCHORHOLD_TRY(sys::open("/dev/kmsg", O_WRONLY));
    const OwnFd null = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    if (::dup2(null.get(), 0) < 0 || ::dup2(null.get(), 1) < 0 || ::dup2(log.get(), 2) < 0) {
        return fail_errno("dup2");
    }
    return {};
}

uint64_t total_memory() {
    struct sysinfo info {};
    ::sysinfo(&info);
    return static_cast<uint64_t>(info.totalram) * info.mem_unit;
}

std::optional<AgentCgroup> make_cgroup(OwnFd root, std::vector<std::string>& warnings) {
    if (root.valid()) {
        auto made = AgentCgroup::create(
            std::move(root), {.memory_bytes = agent_memory_limit(total_memory())}, warnings);
        if (made) {
            return std::move(*made);
        }
        warnings.push_back(made.error().message);
    }
    return std::nullopt;
}

// A guest without it starts all the same: its agent reaches nothing.
std::unique_ptr<Egress> start_egress(HostConnector& host, std::vector<std::string>& warnings) {
    const Status resolver = point_resolver_at_stub("/etc");
    if (!resolver) {
        warnings.push_back(resolver.error().message);
    }
    auto started = Egress::start(host);
    if (!started) {
        warnings.push_back(started.error().within("no connections to the host").message);
        return nullptr;
    }
    return std::move(*started);
}

std::unique_ptr<Freezer> open_freezer(EventLoop& loop, const std::optional<AgentCgroup>& cgroup,
                                      std::vector<std::string>& warnings) {
    if (!cgroup) {
        return nullptr;
    }
    auto freezer = CgroupFreezer::open(loop, cgroup->directory());
    if (!freezer) {
        warnings.push_back(freezer.error().message);
        return nullptr;
    }
    return std::move(*freezer);
}

// Calls back on `loop`'s thread once the guest's end of the window has no stream any more.
void hold_streams(Egress* egress, EventLoop& loop, std::function<void()> held) {
    if (egress == nullptr) {
        held();
        return;
    }
    egress->hold([&loop, held = std::move(held)] { loop.post(held); });
}

Status set_up(const proto::SetUp& request, AgentLauncher& launcher) {
    std::vector<std::string> environment;
    if (!request.ca_root_pem().empty()) {
        ANCHORHOLD_TRY(install_root_certificate(
            "", {.pem = request.ca_root_pem(), .subject_hash = request.ca_subject_hash()}));
        environment = trust_environment();
    }
    environment.insert(environment.end(), request.environment().begin(),
                       request.environment().end());
    launcher.set_environment(std::move(environment));
    return {};
}

Status send_ready(uint64_t tsc_started, const std::vector<std::string>& warnings) {
    const OwnFd stream = ANCHORHOLD_TRY(connect_to_host(proto::kReadyPort));
    proto::Ready ready;
    ready.set_protocol_version(proto::kProtocolVersion);
    ready.set_tsc_init_started(tsc_started);
    for (const std::string& warning : warnings) {
        ready.add_warnings(warning);
    }
    ready.set_tsc_ready(__rdtsc());
    std::string frame;
    proto::append_frame(frame, ready);
    return sys::write_all(stream.get(), frame);
}

Status serve(uint64_t tsc_started) {
    ANCHORHOLD_TRY(open_stdio());
    log::configure("init", log::Level::kWarning);
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_DUMPABLE, 0);
    ::mallopt(M_ARENA_MAX, 1);

    RootFileSystem root = ANCHORHOLD_TRY(assemble_root());
    apply_system_settings(std::string(kRootPoint) + "/proc", root.warnings);
    const PageCache page_cache = PageCache::open(std::string(kRootPoint) + "/proc");
    std::optional<AgentCgroup> cgroup = make_cgroup(std::move(root.cgroup), root.warnings);
    ANCHORHOLD_TRY(switch_root(root.warnings));

    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    AgentLauncher launcher("/etc/passwd", cgroup ? &*cgroup : nullptr);
    exec::ExecServer commands(*loop, launcher);
    const auto reaper = ANCHORHOLD_TRY(
        Reaper::create(*loop, [&commands](pid_t pid) { return commands.collect(pid); }));
    VsockConnector host;
    const auto egress = start_egress(host, root.warnings);
    const auto identity = ANCHORHOLD_TRY(KernelIdentity::create(std::move(root.identity)));
    const auto freezer = open_freezer(*loop, cgroup, root.warnings);
    Stillness stillness(*loop, {.freezer = freezer.get(),
                                .identity = *identity,
                                .hold_streams =
                                    [&](std::function<void()> held) {
                                        hold_streams(egress.get(), *loop, std::move(held));
                                    },
                                .release_streams = [&] { egress ? egress->release() : void(); },
                                .drop_caches = [&] { return page_cache.drop(root.disk.get()); }});
    ControlServer control(
        *loop,
        {.set_up = [&](const proto::SetUp& request) { return set_up(request, launcher); },
         .freeze =
             [&](const proto::Freeze& request, Stillness::Done done) {
                 // What loses its stream while it stands still was not left by its client: the
                 // machine became another one.
                 commands.set_when_lost(exec::WhenLost::kDetach);
                 stillness.freeze(request, std::move(done));
             },
         .resume =
             [&](const proto::Resume& request) {
                 // In the next turn: streams that are lost already may be heard of in this one.
                 loop->post([&commands] { commands.set_when_lost(exec::WhenLost::kHangUp); });
                 return stillness.resume(request);
             },
         .prepare_power_off =
             [&] { return end_everything(cgroup ? &*cgroup : nullptr, root.disk.get()); },
         .reset = [] { reset_machine(); }});

    const OwnFd exec_listener = ANCHORHOLD_TRY(listen_vsock(proto::kExecPort));
    const OwnFd control_listener = ANCHORHOLD_TRY(listen_vsock(proto::kControlPort));
    ANCHORHOLD_TRY(accept_from_host(*loop, exec_listener.get(), [&commands](OwnFd stream) {
        commands.serve(std::move(stream));
    }));
    ANCHORHOLD_TRY(accept_from_host(*loop, control_listener.get(), [&control](OwnFd stream) {
        control.serve(std::move(stream));
    }));
    ANCHORHOLD_TRY(send_ready(tsc_started, root.warnings));
    return loop->run();
}

}  // namespace
}  // namespace anchorhold::guest_init

int main() {
    const uint64_t tsc_started = __rdtsc();
    const anchorhold::Status status = anchorhold::guest_init::serve(tsc_started);
    anchorhold::guest_init::cannot_start(status ? anchorhold::Error{"the event loop ended"}
                                                : status.error());
}
