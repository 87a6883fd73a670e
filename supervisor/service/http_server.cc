// accept4, who is there, a connection.
#include "supervisor/service/http_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/unix_socket.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

constexpr int kAcceptsPerTurn = 16;
constexpr Duration kAcceptPause = 200ms;  // out of descriptors: the next try

}  // namespace

HttpServer::HttpServer(EventLoop& loop, OwnFd listener, RequestHandler handler)
    : loop_(loop), listener_(std::move(listener)), handler_(std::move(handler)) {}

HttpServer::~HttpServer() {
    loop_.cancel_timer(pause_);
    loop_.remove(listener_.get());
}

Result<std::unique_ptr<HttpServer>> HttpServer::create(EventLoop& loop, OwnFd listener,
                                                       RequestHandler handler) {
    std::unique_ptr<HttpServer> server(
        new HttpServer(loop, std::move(listener), std::move(handler)));
    HttpServer* self = server.get();
    ANCHORHOLD_TRY(
        loop.add(server->listener_.get(), EPOLLIN, [self](uint32_t) { self->accept(); }));
    return server;
}

void HttpServer::stop_listening() {
    loop_.cancel_timer(std::exchange(pause_, 0));
    loop_.remove(listener_.get());
    listener_.reset();
}

void HttpServer::accept() {
    for (int i = 0; i < kAcceptsPerTurn && listener_.valid(); ++i) {
        OwnFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket.valid()) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
                pause();
            }
            return;
        }
        take(std::move(socket));
        if (i == 0 && connections_->size() == 1) {
            return;  // the usual case has no second one waiting: the loop would tell
        }
    }
}

void HttpServer::pause() {
    [[maybe_unused]] const Status paused = loop_.modify(listener_.get(), 0);
    pause_ = loop_.add_timer(kAcceptPause, [this] {
        [[maybe_unused]] const Status resumed = loop_.modify(listener_.get(), EPOLLIN);
    });
}

void HttpServer::take(OwnFd socket) {
    const auto user = peer_user(socket.get());
    const uint64_t number = ++last_;
    const auto connection =
        std::make_shared<HttpConnection>(loop_, std::move(socket), handler_,
                                         [weak = std::weak_ptr<Connections>(connections_), number] {
                                             if (const auto connections = weak.lock()) {
                                                 connections->erase(number);
                                             }
                                         });
    connections_->emplace(number, connection);
    if (!user || (*user != ::geteuid() && *user != 0)) {
        connection->refuse(problem(403, "this service belongs to another user"));
    } else if (connections_->size() > kMaxConnections) {
        connection->refuse(problem(503, "too many connections; try again"));
    } else {
        connection->start();
    }
}

}  // namespace anchorhold::service
