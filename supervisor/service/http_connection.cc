// The fast path makes four system calls: accept (http_server.cc), recv, whatever the request needs,
// send. The loop hears of the socket only when there is something to wait for.
#include "supervisor/service/http_connection.h"

#include <sys/epoll.h>

#include <array>
#include <utility>

#include "base/stream_rights.h"
#include "base/sys.h"

namespace anchorhold::service {
namespace {

constexpr size_t kReadSize = size_t{16} << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

HttpConnection::HttpConnection(EventLoop& loop, OwnFd socket, RequestHandler handler,
                               std::function<void()> on_close)
    : loop_(loop),
      socket_(std::move(socket)),
      handler_(std::move(handler)),
      on_close_(std::move(on_close)) {}

HttpConnection::~HttpConnection() {
    loop_.cancel_timer(patience_);
    loop_.remove(socket_.get());
}

void HttpConnection::start() {
    read();
}

void HttpConnection::refuse(const Reply& reply) {
    keep_alive_ = false;
    state_ = State::handling;
    respond(Reply{reply.status, reply.content_type, reply.body, reply.fields, {}, {}});
}

void HttpConnection::handle_events(uint32_t events) {
    const auto self = shared_from_this();
    switch (state_) {
        case State::reading:
            read();
            break;
        case State::writing:
            write();
            break;
        case State::lease:
            read_lease();
            break;
        case State::handling:
            if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
                // Nobody waits for the answer any more; the operation goes on and the answer finds
                // a closed connection.
                close();
            }
            break;
        case State::closed:
            break;
    }
}

void HttpConnection::read() {
    std::array<std::byte, kReadSize> buffer;
    const auto count = sys::read_some(socket_.get(), buffer);
    if (count && !count->has_value()) {
        rest();
        return;
    }
    if (!count || **count == 0) {
        close();
        return;
    }
    const Status fed = reader_.feed({reinterpret_cast<const char*>(buffer.data()), **count});
    if (!fed) {
        fail_with(fed.error());
        return;
    }
    handle_next();
}

void HttpConnection::handle_next() {
    auto request = reader_.next();
    if (!request) {
        fail_with(request.error());
        return;
    }
    if (!request->has_value()) {
        if (reader_.wants_continue()) {
            // The socket's buffer is empty here: the client waits.
            [[maybe_unused]] const auto sent = send_with_fds(socket_.get(), kContinue, {});
        }
        rest();
        return;
    }
    loop_.cancel_timer(std::exchange(patience_, 0));
    state_ = State::handling;
    keep_alive_ = (*request)->keep_alive;
    handler_(**request, [weak = weak_from_this()](Reply reply) {
        if (const auto self = weak.lock(); self && self->state_ == State::handling) {
            self->respond(std::move(reply));
        } else if (reply.on_lease_end) {
            reply.on_lease_end({});  // whoever asked is gone
        }
    });
    if (state_ == State::handling && watched_) {
        watch(0);
    }
}

void HttpConnection::respond(Reply reply) {
    const bool lease = reply.status == 101;
    unsent_ = answer_head(reply.status, reply.content_type, reply.body.size(),
                          keep_alive_ ? Persistence::keep_alive : Persistence::close, reply.fields);
    if (!lease) {
        unsent_ += reply.body;
    }
    descriptor_ = std::move(reply.descriptor);
    on_lease_end_ = std::move(reply.on_lease_end);
    state_ = State::writing;
    const auto self = shared_from_this();
    write();
}

void HttpConnection::write() {
    while (!unsent_.empty()) {
        const int fd = descriptor_.get();
        const auto sent = send_with_fds(socket_.get(), unsent_,
                                        {&fd, descriptor_.valid() ? size_t{1} : size_t{0}});
        if (!sent) {
            close();
            return;
        }
        if (!sent->has_value()) {
            watch(EPOLLOUT);
            return;
        }
        descriptor_.reset();
        unsent_.erase(0, **sent);
    }
    finish_answer();
}

void HttpConnection::finish_answer() {
    if (on_lease_end_) {
        state_ = State::lease;
        watch(EPOLLIN);
        return;
    }
    if (!keep_alive_) {
        close();
        return;
    }
    state_ = State::reading;
    if (reader_.within_request()) {
        // From the loop: a client that sends many requests at once takes turns with the others.
        watch(0);
        loop_.post([weak = weak_from_this()] {
            if (const auto self = weak.lock(); self && self->state_ == State::reading) {
                self->handle_next();
            }
        });
        return;
    }
    rest();
}

// Bytes on a lease are its last word; more than there is room for ends it.
void HttpConnection::read_lease() {
    std::array<std::byte, 1024> buffer;
    const auto count = sys::read_some(socket_.get(), buffer);
    if (count && !count->has_value()) {
        return;
    }
    if (!count || **count == 0 || last_word_.size() + **count > kMaxLastWord) {
        close();
        return;
    }
    last_word_.append(reinterpret_cast<const char*>(buffer.data()), **count);
}

void HttpConnection::fail_with(const Error& error) {
    keep_alive_ = false;
    state_ = State::handling;
    respond(problem(error.code, error.message));
}

void HttpConnection::watch(uint32_t events) {
    if (watched_ && watched_events_ == events) {
        return;
    }
    const Status done =
        watched_ ? loop_.modify(socket_.get(), events)
                 : loop_.add(socket_.get(), events, [this](uint32_t got) { handle_events(got); });
    watched_ = true;
    watched_events_ = events;
    if (!done) {
        close();
    }
}

// Waits for the next bytes, not for ever.
void HttpConnection::rest() {
    watch(EPOLLIN);
    if (state_ == State::closed || (patience_ != 0 && reader_.within_request())) {
        return;  // the time of a request runs from its first byte
    }
    loop_.cancel_timer(patience_);
    patience_ =
        loop_.add_timer(reader_.within_request() ? kRequestPatience : kIdlePatience, [this] {
            patience_ = 0;
            const auto self = shared_from_this();
            if (reader_.within_request()) {
                fail_with(Error{"the request was not whole in time", 408});
            } else {
                close();
            }
        });
}

void HttpConnection::close() {
    if (std::exchange(state_, State::closed) == State::closed) {
        return;
    }
    loop_.cancel_timer(std::exchange(patience_, 0));
    loop_.remove(socket_.get());
    descriptor_.reset();
    socket_.reset();
    if (on_lease_end_) {
        std::exchange(on_lease_end_, nullptr)(last_word_);
    }
    loop_.post([self = shared_from_this()] { self->on_close_(); });
}

}  // namespace anchorhold::service
