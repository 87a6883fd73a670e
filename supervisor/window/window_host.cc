// Two child processes, each with its control socket as descriptor 3.
#include "supervisor/window/window_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/frame.h"

namespace anchorhold::supervisor {
namespace {

constexpr int kControlNumber = 3;

// A process of ours that ended has a pidfd that tells so, in this turn of the loop or the next.
bool is_gone(const Status& sent) {
    return !sent && (sent.error().code == EPIPE || sent.error().code == ECONNRESET);
}

std::string how_it_ended(const ExitStatus& status) {
    return status.signal != 0 ? fmt::format("killed by signal {}", status.signal)
                              : fmt::format("exit status {}", status.code);
}

}  // namespace

WindowHost::WindowHost(EventLoop& loop, CertificateAuthority authority)
    : loop_(loop),
      authority_(std::move(authority)),
      zygote_{"proxy zygote", RestartPace(loop.clock())},
      dialer_{"dialer", RestartPace(loop.clock())} {}

WindowHost::~WindowHost() {
    for (const Process* process : {&zygote_, &dialer_}) {
        loop_.cancel_timer(process->restart);
        loop_.remove(process->control.get());
        loop_.remove(process->child.pidfd());
    }
}

Result<std::unique_ptr<WindowHost>> WindowHost::start(EventLoop& loop,
                                                      const Installation& installation,
                                                      const proto::DialerSettings& settings,
                                                      OnReplaced on_replaced) {
    const std::string folder = ANCHORHOLD_TRY(default_ca_folder());
    auto authority = ANCHORHOLD_TRY(CertificateAuthority::open(folder));
    std::unique_ptr<WindowHost> host(new WindowHost(loop, std::move(authority)));
    host->settings_ = settings;
    host->on_replaced_ = std::move(on_replaced);
    host->zygote_.program = installation.library + "/anchorhold-proxy";
    host->dialer_.program = installation.library + "/anchorhold-dialer";
    ANCHORHOLD_TRY(host->start_zygote());
    ANCHORHOLD_TRY(host->start_dialer());
    return host;
}

Status WindowHost::start_process(Process& process) {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET));
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    SpawnRequest request;
    request.path = process.program;
    request.arguments = {process.program.substr(process.program.rfind('/') + 1)};
    request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
    request.descriptors = {
        {nothing.get(), 0}, {nothing.get(), 1}, {STDERR_FILENO, 2}, {theirs.get(), kControlNumber}};
    request.new_session = true;
    process.child = ANCHORHOLD_TRY(spawn(request));
    process.control = std::move(ours);
    return sys::set_nonblocking(process.control.get());
}

Status WindowHost::start_dialer() {
    ANCHORHOLD_TRY(start_process(dialer_));
    proto::DialerCommand command;
    *command.mutable_settings() = settings_;
    ANCHORHOLD_TRY(
        loop_.add(dialer_.child.pidfd(), EPOLLIN, [this](uint32_t) { handle_end(dialer_); }));
    return tell(dialer_, command.SerializeAsString());
}

// What a process that ended was told does not matter: its successor is told anew.
Status WindowHost::tell(const Process& process, const std::string& bytes,
                        std::span<const int> fds) {
    const Status sent = send_packet(process.control.get(), bytes, fds);
    return is_gone(sent) ? Status() : sent;
}

Status WindowHost::start_zygote() {
    ANCHORHOLD_TRY(start_process(zygote_));
    ANCHORHOLD_TRY(
        loop_.add(zygote_.control.get(), EPOLLIN, [this](uint32_t) { receive_forked(); }));
    return loop_.add(zygote_.child.pidfd(), EPOLLIN, [this](uint32_t) { handle_end(zygote_); });
}

Status WindowHost::start(Process& process) {
    return &process == &dialer_ ? start_dialer() : start_zygote();
}

void WindowHost::handle_end(Process& process) {
    loop_.remove(process.child.pidfd());
    loop_.remove(process.control.get());
    process.control.reset();
    const auto status = process.child.wait();
    const std::string how = status ? how_it_ended(*status) : status.error().message;
    const Duration wait = process.pace.after_death();
    if (wait == Duration::zero()) {
        restart(process, how);
    } else {
        process.restart = loop_.add_timer(wait, [this, &process, how] { restart(process, how); });
    }
    if (&process == &zygote_) {
        for (auto& [sandbox, on_forked] : std::exchange(forking_, {})) {
            on_forked(fail("the proxy zygote ended: " + how));
        }
    }
}

void WindowHost::restart(Process& process, const std::string& how) {
    process.restart = 0;
    if (const Status restarted = start(process); !restarted) {
        log::error("{}: {}", process.name, restarted.error().message);
        const Duration wait = std::max(process.pace.after_death(), RestartPace::kMost);
        process.restart = loop_.add_timer(wait, [this, &process, how] { restart(process, how); });
        return;
    }
    on_replaced_(process.name, how);
}

Status WindowHost::fork_proxy(ProxyStart start, OnForked on_forked) {
    proto::ForkProxy request;
    request.set_sandbox(start.sandbox);
    request.set_control_fd(0);
    request.set_streams_fd(1);
    request.set_dialer_fd(2);
    request.set_setup_fd(3);
    const std::array fds = {start.control.get(), start.streams.get(), start.dialer.get(),
                            start.setup.get()};
    // Told to a zygote that ended, it fails with it.
    ANCHORHOLD_TRY(tell(zygote_, request.SerializeAsString(), fds));
    forking_[start.sandbox] = std::move(on_forked);
    return {};
}

void WindowHost::receive_forked() {
    auto packet = receive_packet(zygote_.control.get());
    if (!packet || !*packet) {
        return;
    }
    if ((*packet)->bytes.empty()) {
        loop_.remove(zygote_.control.get());  // its pidfd tells the rest
        return;
    }
    const auto answer = proto::parse<proto::ProxyForked>((*packet)->bytes, "the zygote's answer");
    const auto found = answer ? forking_.find(answer->sandbox()) : forking_.end();
    if (found == forking_.end()) {
        [[maybe_unused]] const Status killed = zygote_.child.signal(SIGKILL);
        return;
    }
    const OnForked on_forked = std::move(found->second);
    forking_.erase(found);
    if (answer->error().empty() && (*packet)->fds.size() == 1) {
        on_forked(ForkedProxy{answer->pid(), std::move((*packet)->fds[0])});
    } else {
        on_forked(fail("the proxy zygote: " + log::escaped(answer->error(), 200)));
    }
}

Status WindowHost::add_client(const proto::AddClient& client, OwnFd channel) {
    // A long list goes in several packets; the descriptor with the last.
    proto::DialerCommand command;
    const auto fresh = [&] {
        command.Clear();
        command.mutable_add_client()->set_client(client.client());
    };
    fresh();
    for (const proto::Destination& destination : client.destinations()) {
        if (command.ByteSizeLong() + destination.ByteSizeLong() + 16 > kMaxPacketSize) {
            ANCHORHOLD_TRY(tell(dialer_, command.SerializeAsString()));
            fresh();
        }
        *command.mutable_add_client()->add_destinations() = destination;
    }
    const int fd = channel.get();
    return tell(dialer_, command.SerializeAsString(), std::span(&fd, 1));
}

Status WindowHost::remove_client(uint64_t client) {
    proto::DialerCommand command;
    command.mutable_remove_client()->set_client(client);
    return tell(dialer_, command.SerializeAsString());
}

}  // namespace anchorhold::supervisor
