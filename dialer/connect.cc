// Non-blocking connects on the loop.
#include "dialer/connect.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace anchorhold::dialer {

Connect::Connect(EventLoop& loop, std::vector<IpAddress> addresses, uint16_t port,
                 ConnectTimes times, Done done)
    : loop_(loop),
      waiting_(addresses.begin(), addresses.end()),
      port_(port),
      times_(times),
      done_(std::move(done)) {
    deadline_timer_ = loop_.add_timer(times_.deadline, [this] {
        deadline_timer_ = 0;
        finish(fail(fmt::format("port {} did not answer in time", port_), ETIMEDOUT));
    });
    next_timer_ = loop_.add_timer(Duration::zero(), [this] { start_next(); });
}

Connect::~Connect() {
    loop_.cancel_timer(next_timer_);
    loop_.cancel_timer(deadline_timer_);
    for (const Attempt& attempt : attempts_) {
        loop_.remove(attempt.socket.get());
    }
}

void Connect::start_next() {
    loop_.cancel_timer(next_timer_);
    next_timer_ = 0;
    while (!waiting_.empty()) {
        const IpAddress address = waiting_.front();
        waiting_.pop_front();
        const Status started = start(address);
        if (started) {
            if (!waiting_.empty()) {
                next_timer_ = loop_.add_timer(times_.stagger, [this] { start_next(); });
            }
            return;
        }
        last_failure_ = started.error().message;
    }
    if (attempts_.empty()) {
        finish(fail(last_failure_));
    }
}

Status Connect::start(const IpAddress& address) {
    const auto told = [&](const char* call) {
        return fail_errno(call, fmt::format("{} port {}", address.text(), port_));
    };
    OwnFd socket(::socket(address.is_v4() ? AF_INET : AF_INET6,
                          SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!socket.valid()) {
        return told("socket");
    }
    const int on = 1;
    if (::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) {
        return told("setsockopt TCP_NODELAY");
    }
    const SocketAddress target = address.with_port(port_);
    // An interrupted connect goes on by itself (connect(2)); both are awaited the same way.
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&target.storage), target.size) <
            0 &&
        errno != EINPROGRESS && errno != EINTR) {
        return told("connect");
    }
    const int number = socket.get();
    ANCHORHOLD_TRY(loop_.add(number, EPOLLOUT, [this, number](uint32_t) { on_writable(number); }));
    attempts_.push_back({std::move(socket), address});
    return {};
}

void Connect::on_writable(int socket) {
    const auto attempt = std::find_if(attempts_.begin(), attempts_.end(), [&](const Attempt& one) {
        return one.socket.get() == socket;
    });
    if (attempt == attempts_.end()) {
        return;
    }
    int code = 0;
    socklen_t size = sizeof code;
    if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size) < 0) {
        code = errno;
    }
    loop_.remove(socket);
    Attempt ended = std::move(*attempt);
    attempts_.erase(attempt);
    if (code != 0) {
        failed(ended.address, code);
        return;
    }
    finish(Connected{std::move(ended.socket), ended.address});
}

void Connect::failed(const IpAddress& address, int code) {
    last_failure_ = fmt::format("{} port {}: {}", address.text(), port_, errno_text(code));
    if (!waiting_.empty()) {
        start_next();
    } else if (attempts_.empty()) {
        finish(fail(last_failure_, code));
    }
}

void Connect::finish(Result<Connected> result) {
    const Done done = std::move(done_);
    done(std::move(result));  // this object may be gone now
}

}  // namespace anchorhold::dialer
