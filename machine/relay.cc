// From spawning QEMU to removing the machine's folder.
#include "machine/relay.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "base/log.h"
#include "base/sys.h"
#include "machine/log_tail.h"
#include "machine/runtime_folder.h"

namespace anchorhold::machine {
namespace {

constexpr int kMuxDescriptor = 3;
// Control connections at once; with kMaxMuxChannels well below the usual limit of 1024 descriptors.
constexpr size_t kMaxPeers = 128;

uint64_t milliseconds(Duration duration) {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

// nullopt when nobody is waiting any more.
std::optional<OwnFd> accept_one(int listener) {
    OwnFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    return fd.valid() ? std::optional<OwnFd>(std::move(fd)) : std::nullopt;
}

std::string how_it_ended(const ExitStatus& status) {
    return status.signal != 0 ? "killed by signal " + std::to_string(status.signal)
                              : "exit status " + std::to_string(status.code);
}

}  // namespace

Relay::Relay(EventLoop& loop, const proto::RelaySetup& setup, OwnFd exec_listener,
             OwnFd control_listener)
    : loop_(loop),
      setup_(setup),
      exec_listener_(std::move(exec_listener)),
      control_listener_(std::move(control_listener)),
      started_(loop.clock().now()) {}

Relay::~Relay() {
    loop_.remove(qemu_.pidfd());
    loop_.remove(exec_listener_.get());
    loop_.remove(control_listener_.get());
}

Result<std::unique_ptr<Relay>> Relay::start(EventLoop& loop, const proto::RelaySetup& setup,
                                            OwnFd exec_listener, OwnFd control_listener) {
    std::unique_ptr<Relay> relay(
        new Relay(loop, setup, std::move(exec_listener), std::move(control_listener)));
    ANCHORHOLD_TRY(relay->watch());
    const Status spawned = relay->spawn_qemu();
    if (!spawned) {
        // Clients that wait on the control socket are told before the relay leaves.
        relay->error_ = spawned.error().message;
        loop.post([machine = relay.get()] { machine->handle_end(); });
    }
    return relay;
}

Status Relay::watch() {
    ANCHORHOLD_TRY(
        loop_.add(control_listener_.get(), EPOLLIN, [this](uint32_t) { accept_control(); }));
    deadline_ = loop_.add_timer(kBootPatience, [this] {
        kill_qemu("it did not answer within " + std::to_string(milliseconds(kBootPatience) / 1000) +
                  " s");
    });
    return {};
}

Status Relay::spawn_qemu() {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM));
    ANCHORHOLD_TRY(sys::set_nonblocking(ours.get()));
    const OwnFd input = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDONLY));
    SpawnRequest request;
    request.path = setup_.qemu(0);
    request.arguments.assign(setup_.qemu().begin(), setup_.qemu().end());
    request.environment = {"PATH=/usr/bin:/bin", "LANG=C"};
    request.descriptors = {
        {input.get(), 0}, {STDERR_FILENO, 1}, {STDERR_FILENO, 2}, {theirs.get(), kMuxDescriptor}};
    request.parent_death_signal = SIGKILL;
    qemu_ = ANCHORHOLD_TRY(spawn(request));
    qemu_pid_ = static_cast<uint32_t>(qemu_.pid());
    ANCHORHOLD_TRY(loop_.add(qemu_.pidfd(), EPOLLIN, [this](uint32_t) { handle_end(); }));
    MuxBridge::Handlers handlers;
    handlers.hello = [this](const proto::MuxHello& hello) { handle_hello(hello); };
    handlers.lost = [this](const Error& error) { handle_loss(error); };
    handlers.channel_closed = [this] { note_idle(); };
    bridge_ =
        std::make_unique<MuxBridge>(loop_, std::move(ours), MuxSide::kRelay, std::move(handlers));
    return bridge_->start();
}

void Relay::kill_qemu(const std::string& why) {
    if (error_.empty() && state_ != proto::RelayStatus::STOPPING) {
        error_ = why;
    }
    if (qemu_.running()) {
        [[maybe_unused]] const Status killed = qemu_.signal(SIGKILL);
    }
}

void Relay::handle_loss(const Error& error) {
    lost_ = true;
    loop_.cancel_timer(idle_);
    loop_.remove(exec_listener_.get());
    if (error.code == 0) {
        kill_qemu(error.message);
        return;
    }
    // Most likely QEMU is ending, and how it ends says more.
    loop_.cancel_timer(deadline_);
    deadline_ = loop_.add_timer(kStopPatience, [this, why = error.message] { kill_qemu(why); });
}

void Relay::handle_hello(const proto::MuxHello& hello) {
    if (state_ != proto::RelayStatus::STARTING) {
        return;
    }
    if (hello.build_id() != setup_.build_id()) {
        kill_qemu("its tree has build id " + log::escaped(hello.build_id(), 64) + ", expected " +
                  setup_.build_id());
        return;
    }
    const Status added =
        loop_.add(exec_listener_.get(), EPOLLIN, [this](uint32_t) { accept_exec(); });
    if (!added) {
        kill_qemu(added.error().message);
        return;
    }
    loop_.cancel_timer(deadline_);
    kvm_usable_ = hello.kvm_usable();
    boot_time_ = loop_.clock().now() - started_;
    state_ = proto::RelayStatus::READY;
    answer_waiting();
    note_idle();
}

void Relay::stop() {
    if (state_ == proto::RelayStatus::STOPPING || lost_ || ended()) {
        return;
    }
    const bool agent_listens = state_ == proto::RelayStatus::READY;
    state_ = proto::RelayStatus::STOPPING;
    loop_.remove(exec_listener_.get());
    loop_.cancel_timer(deadline_);
    loop_.cancel_timer(idle_);
    if (!agent_listens || !bridge_) {
        kill_qemu("");
        return;
    }
    bridge_->power_off();
    deadline_ = loop_.add_timer(kStopPatience, [this] { kill_qemu(""); });
}

// QEMU has ended, wished for or not.
void Relay::handle_end() {
    std::string how;
    if (qemu_.running()) {
        loop_.remove(qemu_.pidfd());
        const auto status = qemu_.wait();
        how = status ? how_it_ended(*status) : status.error().message;
    }
    bridge_.reset();
    const bool was_ready = state_ == proto::RelayStatus::READY;
    if (state_ == proto::RelayStatus::STOPPING) {
        state_ = proto::RelayStatus::STOPPED;
    } else {
        std::string lines = last_lines(setup_.directory() + "/" + kRelayLog, 2);
        const std::string console = last_lines(setup_.directory() + "/" + kConsoleLog, 4);
        lines += (lines.empty() || console.empty() ? "" : " | ") + console;
        error_ = std::string(was_ready ? "the machine ended" : "the machine did not start") +
                 (error_.empty() ? ": QEMU " + how : ": " + error_) +
                 (lines.empty() ? "" : "; last lines: " + lines);
        // Who asks for a machine now had no part in this one: to them it has stopped, and they
        // start the next.
        state_ = was_ready ? proto::RelayStatus::STOPPED : proto::RelayStatus::FAILED;
        log::error("{}", error_);
    }
    // A new machine of the same name may start as soon as our sockets are gone, and not before.
    auto folder = MachineFolder::open(setup_.directory());
    if (folder && folder->lock().value_or(false)) {
        folder->remove();
    }
    if (!setup_.share().empty()) {
        remove_tree(setup_.share());
    }
    accept_control();  // those whose connection is in the backlog, and whose request is still
                       // unread
    for (const auto& peer : peers_) {
        peer->answer(status());
    }
    loop_.stop();
}

void Relay::accept_exec() {
    while (auto client = accept_one(exec_listener_.get())) {
        loop_.cancel_timer(idle_);
        const Status opened = bridge_->open(std::move(*client));
        if (!opened) {
            log::warning("{}", opened.error().message);
        }
    }
}

void Relay::accept_control() {
    while (auto client = accept_one(control_listener_.get())) {
        if (peers_.size() >= kMaxPeers) {
            continue;  // closes it
        }
        auto peer = std::make_unique<ControlPeer>(
            loop_, std::move(*client),
            [this](ControlPeer& who, const proto::RelayRequest& request) {
                handle_request(who, request);
            },
            [this](ControlPeer& who) {
                peers_.remove_if([&](const auto& known) { return known.get() == &who; });
            });
        if (peer->start()) {
            peers_.push_back(std::move(peer));
        }
    }
}

void Relay::handle_request(ControlPeer& peer, const proto::RelayRequest& request) {
    switch (request.request_case()) {
        case proto::RelayRequest::kReady:
            peer.waiting = ControlPeer::Waiting::kReady;
            note_idle();  // a command follows
            break;
        case proto::RelayRequest::kStop:
            peer.waiting = ControlPeer::Waiting::kStopped;
            stop();
            break;
        default:
            peer.answer(status());
            return;
    }
    answer_waiting();
}

void Relay::answer_waiting() {
    const bool booting = state_ == proto::RelayStatus::STARTING;
    for (const auto& peer : peers_) {
        const bool satisfied = (peer->waiting == ControlPeer::Waiting::kReady && !booting) ||
                               (peer->waiting == ControlPeer::Waiting::kStopped && ended());
        if (satisfied) {
            peer->answer(status());
        }
    }
}

void Relay::note_idle() {
    loop_.cancel_timer(idle_);
    if (setup_.idle_seconds() > 0 && state_ == proto::RelayStatus::READY && !lost_ &&
        bridge_->stream_count() == 0) {
        idle_ = loop_.add_timer(std::chrono::seconds(setup_.idle_seconds()), [this] { stop(); });
    }
}

bool Relay::ended() const {
    return state_ == proto::RelayStatus::STOPPED || state_ == proto::RelayStatus::FAILED;
}

proto::RelayStatus Relay::status() const {
    proto::RelayStatus status;
    status.set_state(lost_ && state_ == proto::RelayStatus::READY ? proto::RelayStatus::STOPPING
                                                                  : state_);
    status.set_error(error_.substr(0, 2000));
    status.set_build_id(setup_.build_id());
    status.set_flavour(setup_.flavour());
    status.set_memory_mib(setup_.memory_mib());
    status.set_cpus(setup_.cpus());
    status.set_streams(bridge_ ? static_cast<uint32_t>(bridge_->stream_count()) : 0);
    status.set_relay_pid(static_cast<uint32_t>(::getpid()));
    status.set_qemu_pid(qemu_pid_);
    status.set_uptime_ms(milliseconds(loop_.clock().now() - started_));
    status.set_boot_ms(milliseconds(boot_time_));
    status.set_kvm_usable(kvm_usable_);
    status.set_share(setup_.share());
    return status;
}

}  // namespace anchorhold::machine
