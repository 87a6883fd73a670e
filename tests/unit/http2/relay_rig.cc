// Two socket pairs and the relay between them.
#include "relay_rig.h"

#include <boost/asio/co_spawn.hpp>
#include <sys/socket.h>

#include "base/check.h"
#include "base/sys.h"

namespace anchorhold::test {
namespace {

// Turns without any movement after which nothing will move: a message crosses in one.
constexpr int kIdleTurns = 4;

}  // namespace

RelayRig::RelayRig(Options options) {
    auto guest = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    auto upstream = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    ANCHORHOLD_CHECK(guest && upstream);
    if (options.socket_buffer != 0) {
        for (const int fd : {guest->first.get(), guest->second.get(), upstream->first.get(),
                             upstream->second.get()}) {
            ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options.socket_buffer,
                         sizeof options.socket_buffer);
        }
    }
    client = std::make_unique<H2Peer>(H2Peer::Role::client, std::move(guest->first),
                                      std::move(options.client));
    server = std::make_unique<H2Peer>(H2Peer::Role::server, std::move(upstream->first),
                                      std::move(options.server));
    guest_ = std::make_unique<fakes::SocketDuplex>(context_, std::move(guest->second));
    upstream_ = std::make_unique<fakes::SocketDuplex>(context_, std::move(upstream->second));
    auto relay = options.no_upstream.empty()
                     ? proxy::http2::relay_http2(*guest_, *upstream_, gates_, options.limits)
                     : proxy::http2::answer_http2(*guest_, gates_, policy::Reason::unreachable,
                                                  options.no_upstream, options.limits);
    boost::asio::co_spawn(context_, std::move(relay),
                          [this](const std::exception_ptr& failure, Status status) {
                              ANCHORHOLD_CHECK(failure == nullptr);
                              ended = std::move(status);
                              // The caller closes what the relay has finished with.
                              guest_.reset();
                              upstream_.reset();
                          });
}

RelayRig::~RelayRig() {
    hang_up();
}

bool RelayRig::run_until(const std::function<bool()>& so) {
    for (int idle = 0; idle < kIdleTurns; ++idle) {
        bool moved = context_.poll() > 0;
        context_.restart();
        moved = client->step() || moved;
        moved = server->step() || moved;
        if (each_turn) {
            each_turn();
        }
        if (so()) {
            return true;
        }
        if (moved) {
            idle = -1;
        }
    }
    return false;
}

bool RelayRig::hang_up() {
    client->close_socket();
    return run_until([this] { return ended.has_value(); });
}

void echo(H2Peer& server) {
    server.on_end = [&server](int32_t id) {
        server.respond(id, {{":status", "200"}}, {.bytes = server.stream(id).body});
    };
}

}  // namespace anchorhold::test
