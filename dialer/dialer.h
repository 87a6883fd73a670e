// The dialer's clients: channels in, questions bounded and answered, one's faults kept from the
// others.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/seqpacket.h"
#include "dialer/dial.h"

namespace anchorhold::dialer {

struct DialerLimits {
    size_t clients = 4096;
    size_t dials_per_client = 64;  // open ones; their answers count until they are sent
    size_t dials = 2048;           // of all clients
    DialTimes times;
};

[[nodiscard]] DialerLimits default_limits();

// Belongs to its event loop's thread.
class Dialer {
  public:
    // What is passed by reference outlives the dialer.
    Dialer(EventLoop& loop, Resolver& resolver, AddressCheck& check, const DialerLimits& limits);
    ~Dialer();
    Dialer(const Dialer&) = delete;
    Dialer& operator=(const Dialer&) = delete;

    // One packet of the supervisor. An error: it is not as agreed, and the dialer must end.
    Status command(Packet packet);

    [[nodiscard]] size_t clients() const { return clients_.size(); }
    [[nodiscard]] size_t open_dials() const { return open_dials_; }

  private:
    struct Answer {
        proto::DialAnswer message;
        OwnFd socket;  // empty: none
    };
    struct Client {
        Destinations destinations;
        OwnFd channel;                                              // empty: not opened yet
        std::unordered_map<uint64_t, std::unique_ptr<Dial>> dials;  // by the client's number
        std::deque<Answer> unsent;
    };

    Status add_client(const proto::AddClient& add, std::vector<OwnFd> fds);
    Status open_channel(uint64_t number, Client& client, OwnFd channel);
    void remove_client(uint64_t number);
    void on_channel(uint64_t number);
    // False: the client broke the rules or is gone.
    bool read_packets(uint64_t number, Client& client);
    bool take(uint64_t number, Client& client, const Packet& packet);
    void dialled(uint64_t number, uint64_t id, DialResult result);
    bool flush(Client& client);
    void listen(Client& client);

    EventLoop& loop_;
    const DialerLimits limits_;
    Routes routes_;
    DialContext context_;
    std::map<uint64_t, Client> clients_;
    size_t open_dials_ = 0;
    bool settled_ = false;  // the first client was added; settings are closed
};

}  // namespace anchorhold::dialer
