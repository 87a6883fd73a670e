// Request out, answer in. The answer is peeked at, so that what the server says first through the
// tunnel stays in the socket for the proxy that gets it.
#include "dialer/http_connect.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace anchorhold::dialer {
namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr size_t kStatusLine = 12;  // "HTTP/1.1 200"

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// RFC 9112 §4: "HTTP/1." DIGIT SP 3DIGIT, then a space or the end of the line.
std::optional<int> parse_status(std::string_view line) {
    if (line.size() < kStatusLine || !line.starts_with("HTTP/1.") || !is_digit(line[7]) ||
        line[8] != ' ' || !std::all_of(line.begin() + 9, line.begin() + 12, is_digit) ||
        (line.size() > kStatusLine && line[kStatusLine] != ' ')) {
        return std::nullopt;
    }
    const int status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    return status >= 100 && status <= 599 ? std::optional(status) : std::nullopt;
}

}  // namespace

Result<std::optional<ConnectAnswer>> parse_connect_answer(std::string_view bytes) {
    const std::string_view looked_at = bytes.substr(0, kMaxConnectAnswer);
    const size_t end = looked_at.find(kEndOfHead);
    const std::string_view line = looked_at.substr(0, looked_at.find("\r\n"));
    constexpr std::string_view kVersion = "HTTP/1.";
    const size_t known = std::min(line.size(), kVersion.size());
    if (line.substr(0, known) != kVersion.substr(0, known)) {
        return fail("the upstream proxy does not answer in HTTP/1");
    }
    if (end == std::string_view::npos) {
        if (bytes.size() >= kMaxConnectAnswer) {
            return fail("the upstream proxy's answer has no end");
        }
        return std::optional<ConnectAnswer>();
    }
    const auto status = parse_status(line);
    if (!status) {
        return fail("the upstream proxy's answer is no HTTP/1 status line");
    }
    return std::optional(ConnectAnswer{*status, end + kEndOfHead.size()});
}

std::string connect_request(std::string_view authority, std::string_view authorization) {
    std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", authority);
    if (!authorization.empty()) {
        request += fmt::format("Proxy-Authorization: {}\r\n", authorization);
    }
    return request + "\r\n";
}

HttpConnect::HttpConnect(EventLoop& loop, OwnFd socket, std::string request, Duration deadline,
                         Done done)
    : loop_(loop), socket_(std::move(socket)), unsent_(std::move(request)), done_(std::move(done)) {
    deadline_timer_ = loop_.add_timer(deadline, [this] {
        deadline_timer_ = 0;
        finish(fail("the upstream proxy did not answer in time", ETIMEDOUT));
    });
    // Edges: peeked bytes stay readable, and a level would be reported for ever.
    const Status watched = loop_.add(socket_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                     [this](uint32_t) { on_ready(); });
    if (!watched) {
        begin_timer_ = loop_.add_timer(Duration::zero(), [this, error = watched.error()] {
            begin_timer_ = 0;
            finish(tl::unexpected(error));
        });
    }
}

HttpConnect::~HttpConnect() {
    loop_.cancel_timer(deadline_timer_);
    loop_.cancel_timer(begin_timer_);
    loop_.remove(socket_.get());
}

void HttpConnect::on_ready() {
    const Status written = write_request();
    if (!written) {
        finish(tl::unexpected(written.error()));
        return;
    }
    const Result<bool> stands = read_answer();
    if (!stands) {
        finish(tl::unexpected(stands.error()));
    } else if (*stands) {
        loop_.remove(socket_.get());
        finish(std::move(socket_));
    }
}

Status HttpConnect::write_request() {
    while (!unsent_.empty()) {
        const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) {
                return {};
            }
            if (errno == EINTR) {
                continue;
            }
            return fail_errno("send", "to the upstream proxy");
        }
        unsent_.erase(0, static_cast<size_t>(sent));
    }
    return {};
}

Result<bool> HttpConnect::read_answer() {
    std::array<char, kMaxConnectAnswer> buffer;
    for (;;) {
        const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_PEEK);
        if (got < 0) {
            if (errno == EAGAIN) {
                return false;
            }
            if (errno == EINTR) {
                continue;
            }
            return fail_errno("recv", "from the upstream proxy");
        }
        if (got == 0) {
            return fail("the upstream proxy closed the connection");
        }
        const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
        const auto answer = ANCHORHOLD_TRY(parse_connect_answer(bytes));
        if (!answer) {
            return false;
        }
        if (!unsent_.empty()) {
            return fail("the upstream proxy answered before it was asked");
        }
        if (answer->status >= 200 && answer->status < 300) {
            ANCHORHOLD_TRY(consume(answer->size));
            return true;
        }
        if (answer->status >= 200) {
            return fail(fmt::format("the upstream proxy answered {}", answer->status), EACCES);
        }
        ANCHORHOLD_TRY(consume(answer->size));  // an interim answer (RFC 9110 §15.2)
    }
}

Status HttpConnect::consume(size_t size) {
    std::array<char, kMaxConnectAnswer> buffer;
    // Whole at once: it has been peeked at.
    const ssize_t got = ::recv(socket_.get(), buffer.data(), size, 0);
    if (got < 0 || static_cast<size_t>(got) != size) {
        return fail("the upstream proxy's answer vanished");
    }
    return {};
}

void HttpConnect::finish(Result<OwnFd> result) {
    const Done done = std::move(done_);
    done(std::move(result));  // this object may be gone now
}

}  // namespace anchorhold::dialer
