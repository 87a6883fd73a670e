// The supervisor's end of a VMM's control socket. Everything that arrives on it is treated as
// hostile.
#include "supervisor/vmm_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/frame.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFarewell =
    5s;  // from a VMM's last word, or its end of the socket closed, to SIGKILL
constexpr size_t kEventsPerTurn =
    64;  // one that never stops talking does not keep the loop to itself
constexpr size_t kEventsAtEnd = 4096;  // more than its socket's buffer holds
constexpr int kControlFd = 3;          // the number the VMM expects its control socket at

}  // namespace

Result<std::unique_ptr<VmmProcess>> VmmProcess::start(EventLoop& loop, const std::string& program,
                                                      const proto::VmmCommand& first,
                                                      std::span<const int> fds, Handlers handlers) {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET));
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    SpawnRequest request;
    request.path = program;
    request.arguments = {"anchorhold-vmm"};
    // The VMM's only message besides its control socket: a last word on stderr when it aborts.
    request.descriptors = {
        {nothing.get(), 0}, {nothing.get(), 1}, {2, 2}, {theirs.get(), kControlFd}};
    request.new_session = true;
    request.alone = true;
    Child child = ANCHORHOLD_TRY(spawn(request));

    std::unique_ptr<VmmProcess> vmm(
        new VmmProcess(loop, std::move(child), std::move(ours), std::move(handlers)));
    ANCHORHOLD_TRY(vmm->send(first, fds));
    ANCHORHOLD_TRY(sys::set_nonblocking(vmm->control_.get()));
    ANCHORHOLD_TRY(vmm->watch());
    return vmm;
}

VmmProcess::VmmProcess(EventLoop& loop, Child child, OwnFd control, Handlers handlers)
    : loop_(loop),
      child_(std::move(child)),
      control_(std::move(control)),
      handlers_(std::move(handlers)) {}

VmmProcess::~VmmProcess() {
    loop_.cancel_timer(farewell_);
    loop_.remove(control_.get());
    loop_.remove(child_.pidfd());
}

Status VmmProcess::watch() {
    ANCHORHOLD_TRY(
        loop_.add(control_.get(), EPOLLIN, [this](uint32_t) { receive(kEventsPerTurn); }));
    return loop_.add(child_.pidfd(), EPOLLIN, [this](uint32_t) { ended(); });
}

Status VmmProcess::send(const proto::VmmCommand& command, std::span<const int> fds) {
    const Status sent = send_packet(control_.get(), command.SerializeAsString(), fds);
    if (!sent) {
        return tl::unexpected(sent.error().within("anchorhold-vmm"));
    }
    return {};
}

Result<OwnFd> VmmProcess::connect(uint32_t port) {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK));
    proto::VmmCommand command;
    command.mutable_connect()->set_port(port);
    command.mutable_connect()->set_stream_fd(0);
    const int passed = theirs.get();
    ANCHORHOLD_TRY(send(command, {&passed, 1}));
    return std::move(ours);
}

void VmmProcess::kill() {
    if (child_.running()) {
        [[maybe_unused]] const Status sent = child_.signal(SIGKILL);
    }
}

void VmmProcess::give_up(std::string why) {
    broken_ = std::move(why);
    loop_.remove(control_.get());
    kill();
}

void VmmProcess::expect_end() {
    if (farewell_ == 0) {
        farewell_ =
            loop_.add_timer(kFarewell, [this] { give_up("it went silent and did not end"); });
    }
}

void VmmProcess::receive(size_t most) {
    for (size_t taken = 0; taken < most && broken_.empty(); ++taken) {
        auto packet = receive_packet(control_.get());
        if (packet && !packet->has_value()) {
            return;
        }
        if (!packet || (*packet)->bytes.empty()) {
            if (!packet && packet.error().code != ECONNRESET) {
                give_up(packet.error().message);
                return;
            }
            loop_.remove(control_.get());  // the pidfd tells the rest
            expect_end();
            return;
        }
        const auto event = proto::parse<proto::VmmEvent>((*packet)->bytes, "the VMM's event");
        if (!event || !(*packet)->fds.empty()) {
            give_up(event ? "it sent descriptors nobody asked for" : event.error().message);
            return;
        }
        handlers_.on_event(*event);
        if (event->has_ended()) {
            expect_end();
        }
    }
}

void VmmProcess::ended() {
    receive(kEventsAtEnd);  // what it said before it ended
    loop_.cancel_timer(farewell_);
    loop_.remove(control_.get());
    loop_.remove(child_.pidfd());
    const auto status = child_.wait();
    std::string how = broken_;
    if (how.empty() && status && status->signal != 0) {
        how = fmt::format("killed by signal {} ({})", status->signal, sigdescr_np(status->signal));
    } else if (how.empty() && status && status->code != 0) {
        how = fmt::format("exit status {}", status->code);
    }
    const auto on_end = std::move(handlers_.on_end);  // it may destroy this object
    on_end(how);
}

}  // namespace anchorhold::supervisor
