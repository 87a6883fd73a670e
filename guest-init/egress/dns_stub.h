// The guest's only DNS server: it answers from a table of its own and asks nobody.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "guest-init/egress/dns_message.h"
#include "guest-init/egress/synthetic_names.h"

namespace anchorhold::guest_init {

// An address for every host name, which means something only to init's listener and the host; no
// data of any other type, so that programs go on with IPv4; loopback for localhost (RFC 6761 §6.3)
// and the guest's own name.
class DnsStub {
  public:
    // What was asked, and the synthetic address it was answered with, if any. Not told of
    // localhost and the guest's own name.
    using Observer = std::function<void(const dns::Query& query, std::span<const uint8_t> answer)>;

    static constexpr uint16_t kPort = 53;
    static constexpr uint32_t kAddressTtl = 60;  // seconds
    static constexpr uint32_t kNothingTtl = 5;

    // Serves UDP and TCP on 127.0.0.1. `loop` and `names` outlive the stub.
    static Result<std::unique_ptr<DnsStub>> create(EventLoop& loop, SyntheticNames& names,
                                                   Observer observer, uint16_t port = kPort);
    ~DnsStub();
    DnsStub(const DnsStub&) = delete;
    DnsStub& operator=(const DnsStub&) = delete;

    // The answer to one message; empty where it gets none.
    [[nodiscard]] std::string answer(std::span<const uint8_t> message);

  private:
    class TcpClient;

    DnsStub(EventLoop& loop, SyntheticNames& names, Observer observer, OwnFd datagrams,
            OwnFd listener);
    Status watch();
    [[nodiscard]] std::string answer_query(const dns::Query& query);
    void on_datagram();
    void on_client();
    void remove(TcpClient* client);

    EventLoop& loop_;
    SyntheticNames& names_;
    Observer observer_;
    OwnFd datagrams_;
    OwnFd listener_;
    std::list<std::unique_ptr<TcpClient>> clients_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace anchorhold::guest_init
