// The way through an upstream proxy: one HTTP CONNECT on a connected socket (RFC 9110 §9.3.6).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::dialer {

// No answer's head is longer; one that is ends the attempt.
constexpr size_t kMaxConnectAnswer = 8192;

struct ConnectAnswer {
    int status = 0;   // 100 to 599
    size_t size = 0;  // of the head with its empty line; what follows is the tunnel's
};

// Looks for a whole response head at the start of `bytes` (RFC 9112 §4). nullopt: more must come.
// An error: this is no HTTP/1 answer, or too long a one.
[[nodiscard]] Result<std::optional<ConnectAnswer>> parse_connect_answer(std::string_view bytes);

// The request for "host:port". `authorization` goes out as Proxy-Authorization where it is not
// empty.
[[nodiscard]] std::string connect_request(std::string_view authority,
                                          std::string_view authorization);

// Writes the request, reads the answer and not a byte beyond it. Gives the socket up in the
// destructor unless `done` took it.
class HttpConnect {
  public:
    // The socket as a tunnel, or why not: code EACCES when the proxy refused, others when it
    // failed.
    using Done = std::function<void(Result<OwnFd>)>;

    // `done` runs once, from the loop, never from within the constructor; it may destroy this
    // object.
    HttpConnect(EventLoop& loop, OwnFd socket, std::string request, Duration deadline, Done done);
    ~HttpConnect();
    HttpConnect(const HttpConnect&) = delete;
    HttpConnect& operator=(const HttpConnect&) = delete;

  private:
    void on_ready();
    Status write_request();
    // True when the tunnel stands.
    Result<bool> read_answer();
    Status consume(size_t size);
    void finish(Result<OwnFd> result);

    EventLoop& loop_;
    OwnFd socket_;
    std::string unsent_;
    Done done_;
    EventLoop::TimerId deadline_timer_ = 0;
    EventLoop::TimerId begin_timer_ = 0;
};

}  // namespace anchorhold::dialer
