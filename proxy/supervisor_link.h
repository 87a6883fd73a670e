// The proxy's side of its control socket: events go out in batches, acknowledgements and a person's
// answers come in.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

#include "proto/proxy_control.pb.h"
#include "proxy/packet_channel.h"
#include "proxy/wake.h"

namespace anchorhold::proxy {

// When the supervisor is gone the link is lost: whoever waits is told so, nothing is admitted any
// more, and on_lost runs once.
class SupervisorLink {
  public:
    struct Handlers {
        std::function<void()> on_lost;
        std::function<void(OwnFd channel)> on_dialer;  // the dialer was replaced
    };
    SupervisorLink(asio::io_context& context, OwnFd control, Handlers handlers);

    // Takes an event; it leaves at the end of this turn of the loop, together with others. Returns
    // its number.
    uint64_t record(proto::AuditEvent event);
    // Takes an event that nothing waits for: it leaves with the next one, or a moment later. Half
    // of all turns of a busy supervisor are saved.
    void note(proto::AuditEvent event);
    // True once the supervisor has written every event up to `sequence`; false when it never will.
    asio::awaitable<bool> written(uint64_t sequence);

    // A person's answer to a held request; nullopt when the supervisor is gone.
    asio::awaitable<std::optional<bool>> ask(const proto::RequestDecided& request,
                                             const std::string& body_sha256);

    void captured(proto::Minted minted);
    // Tells that nothing is open; the supervisor may then reap an exit in peace.
    void leave();
    // Until everything recorded so far is on its way, or the supervisor is gone.
    asio::awaitable<void> sent();

    [[nodiscard]] bool lost() const { return lost_; }

  private:
    struct Waiter {
        uint64_t sequence;
        std::shared_ptr<Wake<bool>> wake;
    };
    asio::awaitable<void> receive();
    bool take(Packet packet);
    void watch_briefly();
    asio::awaitable<void> flush();
    uint64_t add(proto::AuditEvent event);
    void schedule_flush();
    void schedule_late_flush();
    void lose();

    asio::io_context& context_;
    PacketChannel channel_;
    Handlers handlers_;
    std::deque<std::string> packets_;  // serialised, waiting to be sent; the last may still grow
    uint64_t next_sequence_ = 1;
    uint64_t written_ = 0;
    std::deque<Waiter> waiters_;  // by sequence
    std::unordered_map<uint64_t, std::shared_ptr<Wake<std::optional<bool>>>> questions_;
    uint64_t next_question_ = 1;
    std::shared_ptr<Wake<bool>> sent_;
    bool flushing_ = false;
    asio::steady_timer late_;  // of what was noted
    bool late_armed_ = false;
    bool lost_ = false;
    // The batch under construction.
    proto::ProxyReport batch_;
    size_t batch_size_ = 0;
    void close_batch();
};

}  // namespace anchorhold::proxy
