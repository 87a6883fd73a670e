// The socket that clients find, and how many of them there may be.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "supervisor/service/http_connection.h"
#include "supervisor/service/reply.h"

namespace anchorhold::service {

// Belongs to its event loop's thread.
class HttpServer {
  public:
    static constexpr size_t kMaxConnections = 1024;  // leases of running commands among them

    // `listener` is a nonblocking SOCK_STREAM listener of AF_UNIX. Connections of other users than
    // ours and root are answered with 403.
    static Result<std::unique_ptr<HttpServer>> create(EventLoop& loop, OwnFd listener,
                                                      RequestHandler handler);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] size_t connections() const { return connections_->size(); }
    // Takes no more connections; those that are stay.
    void stop_listening();

  private:
    HttpServer(EventLoop& loop, OwnFd listener, RequestHandler handler);
    void accept();
    void take(OwnFd socket);
    void pause();

    EventLoop& loop_;
    OwnFd listener_;
    RequestHandler handler_;
    uint64_t last_ = 0;
    using Connections = std::unordered_map<uint64_t, std::shared_ptr<HttpConnection>>;
    std::shared_ptr<Connections> connections_ = std::make_shared<Connections>();
    EventLoop::TimerId pause_ = 0;
};

}  // namespace anchorhold::service
