// read, write, shutdown, and when to stop each of them.
#include "guest-init/egress/relay.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

// Chunks that one side may move before others have their turn.
constexpr int kChunksPerTurn = 4;
// How often an agent is asked whether it has read everything before a reset.
constexpr Duration kResetCheck = std::chrono::milliseconds(20);

int pending_error(int socket) {
    int code = 0;
    socklen_t size = sizeof code;
    return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size) < 0 ? errno : code;
}

// The bytes that were taken, 0 where the socket is full; nothing where it is broken.
std::optional<size_t> send_some(int socket, std::span<const std::byte> bytes) {
    for (;;) {
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            return static_cast<size_t>(sent);
        }
        if (errno == EAGAIN) {
            return 0;
        }
        if (errno != EINTR) {
            return std::nullopt;
        }
    }
}

}  // namespace

Relay::Relay(EventLoop& loop, RelayBuffers& buffers, OwnFd agent, OwnFd host, std::string preamble,
             std::function<void()> ended)
    : loop_(loop), buffers_(buffers), preamble_(std::move(preamble)), ended_(std::move(ended)) {
    agent_.socket = std::move(agent);
    host_.socket = std::move(host);
}

Relay::~Relay() {
    loop_.cancel_timer(reset_check_);
    for (Side* side : {&agent_, &host_}) {
        if (side->registered) {
            loop_.remove(side->socket.get());
        }
        drop_kept(*side);
    }
}

Status Relay::start() {
    ANCHORHOLD_TRY(loop_.add(host_.socket.get(), EPOLLOUT,
                             [this](uint32_t events) { on_event(host_, agent_, events); }));
    host_.registered = true;
    host_.watched = EPOLLOUT;
    return {};
}

void Relay::on_connected() {
    if (pending_error(host_.socket.get()) != 0) {
        reset_agent();
        return;
    }
    connected_ = true;
    const std::string preamble = std::exchange(preamble_, {});
    if (!give(host_, std::as_bytes(std::span(preamble)))) {
        reset_agent();
        return;
    }
    update();
}

void Relay::on_event(Side& side, Side& other, uint32_t events) {
    if (over_) {
        return;
    }
    if (!connected_) {
        on_connected();
        return;
    }
    if ((events & EPOLLERR) != 0 && pending_error(side.socket.get()) != 0) {
        reset_agent();  // where it was the agent's own reset, this is only a close
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        if (!flush(side)) {
            reset_agent();
            return;
        }
        pass_end(other, side);
    }
    if ((events & (EPOLLIN | EPOLLHUP)) != 0 && (side.watched & EPOLLIN) != 0) {
        move_bytes(side, other);
    } else if ((events & EPOLLHUP) != 0 && side.watched == 0 && !over_) {
        // Nothing to do for it before the other side moves; watched on, it would be told for ever.
        loop_.remove(side.socket.get());
        side.registered = false;
    }
    update();
}

void Relay::move_bytes(Side& from, Side& to) {
    for (int turn = 0; turn < kChunksPerTurn && to.kept.empty(); ++turn) {
        const size_t size =
            buffers_.kept < RelayBuffers::kAmple ? RelayBuffers::kChunk : RelayBuffers::kSmallChunk;
        const std::span chunk(buffers_.scratch.get(), size);
        const auto got = sys::read_some(from.socket.get(), chunk);
        if (!got) {
            reset_agent();
            return;
        }
        if (!got->has_value()) {
            return;
        }
        if (**got == 0) {
            if (&from == &host_ && host_is_gone()) {
                reset_agent_when_it_has_read();
                return;
            }
            from.read_over = true;
            pass_end(from, to);
            return;
        }
        // What arrives for a side that is shut cannot be delivered any more: give() says so.
        if (!give(to, chunk.first(**got))) {
            reset_agent();
            return;
        }
        if (**got < size) {
            return;
        }
    }
}

bool Relay::give(Side& to, std::span<const std::byte> bytes) {
    const auto sent = send_some(to.socket.get(), bytes);
    if (!sent) {
        return false;
    }
    if (*sent < bytes.size()) {
        const auto rest = bytes.subspan(*sent);
        to.kept.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
        to.taken = 0;
        buffers_.kept += rest.size();
    }
    return true;
}

bool Relay::flush(Side& to) {
    if (to.kept.empty()) {
        return true;
    }
    const auto rest = std::as_bytes(std::span(to.kept)).subspan(to.taken);
    const auto sent = send_some(to.socket.get(), rest);
    if (!sent) {
        return false;
    }
    to.taken += *sent;
    if (to.taken == to.kept.size()) {
        drop_kept(to);
    }
    return true;
}

void Relay::drop_kept(Side& side) {
    buffers_.kept -= side.kept.size();
    side.kept = {};
    side.taken = 0;
}

void Relay::pass_end(Side& from, Side& to) {
    if (from.read_over && to.kept.empty() && !to.write_over) {
        to.write_over = true;
        ::shutdown(to.socket.get(), SHUT_WR);
    }
}

// A half-close leaves the host's other direction open: only then can it be written to. vsock has no
// other sign of a reset than that both directions are over.
bool Relay::host_is_gone() const {
    return !host_.write_over && ::send(host_.socket.get(), nullptr, 0, MSG_NOSIGNAL) < 0 &&
           errno != EAGAIN;
}

void Relay::update() {
    if (over_ || reset_at_latest_ != TimePoint{}) {
        return;
    }
    if (agent_.write_over && host_.write_over) {
        finish();
        return;
    }
    watch(agent_, host_);
    watch(host_, agent_);
}

void Relay::watch(Side& side, const Side& other) {
    const bool reads = !side.read_over && other.kept.empty();
    const uint32_t wanted =
        (reads ? uint32_t{EPOLLIN} : 0U) | (side.kept.empty() ? 0U : uint32_t{EPOLLOUT});
    const bool done = side.read_over && side.write_over;
    if (done || (!side.registered && wanted == 0)) {
        if (side.registered) {
            loop_.remove(side.socket.get());
            side.registered = false;
        }
        return;
    }
    if (side.registered && wanted == side.watched) {
        return;
    }
    Side* const mine = &side;
    Side* const theirs = mine == &agent_ ? &host_ : &agent_;
    const Status status = side.registered ? loop_.modify(side.socket.get(), wanted)
                                          : loop_.add(side.socket.get(), wanted,
                                                      [this, mine, theirs](uint32_t events) {
                                                          on_event(*mine, *theirs, events);
                                                      });
    if (!status) {
        reset_agent();
        return;
    }
    side.registered = true;
    side.watched = wanted;
}

void Relay::reset() {
    ::shutdown(host_.socket.get(), SHUT_RDWR);
    reset_agent();
}

void Relay::reset_agent() {
    if (over_) {
        return;
    }
    const linger now{1, 0};
    ::setsockopt(agent_.socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    finish();
}

void Relay::reset_agent_when_it_has_read() {
    // A reset throws away what waits in our socket; what the agent's has already is safe.
    int unread = 0;
    const bool waiting = ::ioctl(agent_.socket.get(), SIOCOUTQ, &unread) == 0 && unread > 0 &&
                         pending_error(agent_.socket.get()) == 0;
    const TimePoint now = loop_.clock().now();
    if (reset_at_latest_ == TimePoint{}) {
        reset_at_latest_ = now + kResetPatience;
        for (Side* side : {&agent_, &host_}) {
            if (side->registered) {
                loop_.remove(side->socket.get());
                side->registered = false;
            }
        }
    }
    if (!waiting || now >= reset_at_latest_) {
        reset_agent();
        return;
    }
    reset_check_ = loop_.add_timer(kResetCheck, [this] { reset_agent_when_it_has_read(); });
}

void Relay::finish() {
    over_ = true;
    loop_.cancel_timer(reset_check_);
    for (Side* side : {&agent_, &host_}) {
        if (side->registered) {
            loop_.remove(side->socket.get());
            side->registered = false;
        }
        side->socket.reset();
        drop_kept(*side);
    }
    ended_();
}

}  // namespace anchorhold::guest_init
