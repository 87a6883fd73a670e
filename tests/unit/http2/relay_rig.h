// A relay between a real client and a real server, on one thread and without sleeping: run_until()
// moves all three until something is so.
#pragma once

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fake_gates.h"
#include "h2_peer.h"
#include "proxy/http2/relay.h"
#include "socket_duplex.h"

namespace anchorhold::test {

class RelayRig {
  public:
    struct Options {
        H2Peer::Options client{};
        H2Peer::Options server{};
        proxy::http2::Limits limits{};
        int socket_buffer = 0;      // 0: the system's
        std::string no_upstream{};  // not empty: there is none, and why
    };

    explicit RelayRig(Options options);
    RelayRig() : RelayRig(Options()) {}
    ~RelayRig();

    // False when nothing moves any more and it is still not so.
    bool run_until(const std::function<bool()>& so);
    // Moves until nothing does.
    void settle() {
        run_until([] { return false; });
    }
    // The client leaves; true when the relay has ended after that.
    bool hang_up();

    fakes::FakeWindow window;
    std::unique_ptr<H2Peer> client;
    std::unique_ptr<H2Peer> server;
    std::optional<Status> ended;  // what the relay returned
    std::function<void()> each_turn;

  private:
    boost::asio::io_context context_;
    fakes::FakeGates gates_{window};
    std::unique_ptr<fakes::SocketDuplex> guest_;
    std::unique_ptr<fakes::SocketDuplex> upstream_;
};

// Lets a server answer each request when it has ended: 200, the body it got.
void echo(H2Peer& server);

}  // namespace anchorhold::test
