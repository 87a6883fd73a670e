// One client: requests are read, handled and answered one after the other.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "supervisor/service/http_codec.h"
#include "supervisor/service/reply.h"

namespace anchorhold::service {

// Belongs to its event loop's thread. Nothing is read while a request is handled, so that what a
// client may have on the way is bounded by its socket.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
  public:
    // A request has to be whole this long after its first byte; an unused connection is closed
    // after the other.
    static constexpr Duration kRequestPatience = std::chrono::seconds(10);
    static constexpr Duration kIdlePatience = std::chrono::seconds(60);

    // `on_close` runs once, from the loop; nothing else of the connection happens afterwards.
    HttpConnection(EventLoop& loop, OwnFd socket, RequestHandler handler,
                   std::function<void()> on_close);
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    // Reads what is there already: a local client has usually sent its request by now.
    void start();
    // Answers without a request and closes: there are too many connections.
    void refuse(const Reply& reply);

  private:
    enum class State { reading, handling, writing, lease, closed };
    void handle_events(uint32_t events);
    void read();
    void handle_next();
    void respond(Reply reply);
    void write();
    void finish_answer();
    void read_lease();
    void end_lease();
    void fail_with(const Error& error);
    void watch(uint32_t events);
    void rest();
    void close();

    EventLoop& loop_;
    OwnFd socket_;
    RequestHandler handler_;
    std::function<void()> on_close_;
    RequestReader reader_;
    State state_ = State::reading;
    bool watched_ = false;
    uint32_t watched_events_ = 0;
    bool keep_alive_ = true;
    std::string unsent_;
    OwnFd descriptor_;  // goes with the first byte of unsent_
    std::function<void(std::string_view)> on_lease_end_;
    std::string last_word_;
    EventLoop::TimerId patience_ = 0;
};

}  // namespace anchorhold::service
