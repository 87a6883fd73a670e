// Packets to dials and back. Nothing a client sends ends more than its own channel.
#include "dialer/dialer.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "base/sys.h"
#include "proto/frame.h"

namespace anchorhold::dialer {
namespace {

using namespace std::chrono_literals;

constexpr size_t kPacketsPerTurn = 16;  // one that never stops asking does not keep the loop

Status check_channel(int fd) {
    int domain = 0;
    int type = 0;
    socklen_t size = sizeof(int);
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
        ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
        return fail_errno("getsockopt", "a client's channel");
    }
    if (domain != AF_UNIX || type != SOCK_SEQPACKET) {
        return fail("a client's channel is not an AF_UNIX SOCK_SEQPACKET socket");
    }
    return {};
}

std::string to_bytes(const IpAddress& address) {
    const auto bytes = address.bytes();
    return std::string(bytes.begin(), bytes.end());
}

}  // namespace

DialerLimits default_limits() {
    DialerLimits limits;
    limits.times = {
        .resolve = 10s, .connect = {.stagger = 250ms, .deadline = 10s}, .upstream_proxy = 10s};
    return limits;
}

Dialer::Dialer(EventLoop& loop, Resolver& resolver, AddressCheck& check, const DialerLimits& limits)
    : loop_(loop), limits_(limits), context_{loop, resolver, check, routes_, limits.times} {}

Dialer::~Dialer() {
    while (!clients_.empty()) {
        remove_client(clients_.begin()->first);
    }
}

Status Dialer::command(Packet packet) {
    const auto message = ANCHORHOLD_TRY(
        proto::parse<proto::DialerCommand>(packet.bytes, "the supervisor's command"));
    if (message.has_add_client()) {
        return add_client(message.add_client(), std::move(packet.fds));
    }
    if (!packet.fds.empty()) {
        return fail("the supervisor sent a descriptor where none belongs");
    }
    if (message.has_remove_client()) {
        remove_client(message.remove_client().client());
        return {};
    }
    if (!message.has_settings() || settled_) {
        return fail(settled_ ? "settings came after the first client"
                             : "the supervisor's command is empty");
    }
    return routes_.add(message.settings());
}

Status Dialer::add_client(const proto::AddClient& add, std::vector<OwnFd> fds) {
    settled_ = true;
    if (fds.size() > 1) {
        return fail("a client came with more than one channel");
    }
    if (!clients_.contains(add.client()) && clients_.size() >= limits_.clients) {
        log::warning("client {} was not added: there are {} already", add.client(),
                     clients_.size());
        return {};  // its channel closes, which tells the proxy
    }
    Client& client = clients_[add.client()];
    Status added = client.destinations.add(add);
    if (added && !fds.empty()) {
        added = open_channel(add.client(), client, std::move(fds.front()));
    }
    if (!added) {
        remove_client(add.client());
        return tl::unexpected(added.error().within(fmt::format("client {}", add.client())));
    }
    return {};
}

Status Dialer::open_channel(uint64_t number, Client& client, OwnFd channel) {
    if (client.channel.valid()) {
        return fail("it has a channel already");
    }
    ANCHORHOLD_TRY(check_channel(channel.get()));
    ANCHORHOLD_TRY(sys::set_nonblocking(channel.get()));
    ANCHORHOLD_TRY(
        loop_.add(channel.get(), EPOLLIN, [this, number](uint32_t) { on_channel(number); }));
    client.channel = std::move(channel);
    return {};
}

void Dialer::remove_client(uint64_t number) {
    const auto found = clients_.find(number);
    if (found == clients_.end()) {
        return;
    }
    Client& client = found->second;
    if (client.channel.valid()) {
        loop_.remove(client.channel.get());
    }
    open_dials_ -= client.dials.size() + client.unsent.size();
    clients_.erase(found);
}

void Dialer::on_channel(uint64_t number) {
    Client& client = clients_.at(number);
    // What waits goes first; a channel that is closed fails there or ends here.
    const bool serves = flush(client) && (!client.unsent.empty() || read_packets(number, client));
    if (!serves) {
        remove_client(number);
        return;
    }
    listen(client);
}

bool Dialer::read_packets(uint64_t number, Client& client) {
    // Stops when answers pile up: who does not take them gets no further ear.
    for (size_t i = 0; i < kPacketsPerTurn && client.unsent.empty(); ++i) {
        const auto packet = receive_packet(client.channel.get());
        if (!packet) {
            log::warning("client {}: {}", number, packet.error().message);
            return false;
        }
        if (!packet->has_value()) {
            return true;
        }
        if ((*packet)->bytes.empty() && (*packet)->fds.empty()) {
            return false;  // end of file
        }
        if (!take(number, client, **packet)) {
            log::warning("client {} broke the rules of its channel and lost it", number);
            return false;
        }
    }
    return true;
}

bool Dialer::take(uint64_t number, Client& client, const Packet& packet) {
    if (!packet.fds.empty()) {
        return false;
    }
    const auto asked = proto::parse<proto::Dial>(packet.bytes, "a dial");
    if (!asked || client.dials.contains(asked->id())) {
        return false;
    }
    auto target = read_target(*asked);
    if (!target) {
        return false;
    }
    const uint64_t id = asked->id();
    if (client.dials.size() >= limits_.dials_per_client || open_dials_ >= limits_.dials) {
        Answer answer;
        answer.message.set_id(id);
        answer.message.set_outcome(proto::DialAnswer::TOO_MANY);
        answer.message.set_detail("too many connections are being made at once");
        client.unsent.push_back(std::move(answer));
        ++open_dials_;
        return flush(client);
    }
    ++open_dials_;
    client.dials[id] = std::make_unique<Dial>(
        context_, number, client.destinations, std::move(*target),
        [this, number, id](DialResult result) { dialled(number, id, std::move(result)); });
    return true;
}

void Dialer::dialled(uint64_t number, uint64_t id, DialResult result) {
    Client& client = clients_.at(number);
    const auto ended = client.dials.extract(id);  // alive until we return into it
    Answer answer;
    answer.message.set_id(id);
    answer.message.set_outcome(result.outcome);
    answer.message.set_detail(log::escaped(result.detail));
    if (result.connected) {
        answer.message.set_address(to_bytes(result.connected->address));
        answer.socket = std::move(result.connected->socket);
    }
    client.unsent.push_back(std::move(answer));
    if (client.unsent.size() > 1) {
        return;  // those before it wait for room
    }
    if (!flush(client)) {
        remove_client(number);
        return;
    }
    listen(client);
}

// False: the client is gone.
bool Dialer::flush(Client& client) {
    while (!client.unsent.empty()) {
        Answer& answer = client.unsent.front();
        const int passed = answer.socket.get();
        const Status sent =
            send_packet(client.channel.get(), answer.message.SerializeAsString(),
                        answer.socket.valid() ? std::span(&passed, 1) : std::span<const int>());
        if (!sent && sent.error().code == EAGAIN) {
            return true;
        }
        if (!sent && sent.error().code == ETOOMANYREFS && answer.socket.valid()) {
            answer.socket.reset();
            answer.message.set_outcome(proto::DialAnswer::TOO_MANY);
            answer.message.set_detail("too many connections are waiting to be taken");
            answer.message.clear_address();
            continue;
        }
        if (!sent) {
            return false;
        }
        client.unsent.pop_front();
        --open_dials_;
    }
    return true;
}

void Dialer::listen(Client& client) {
    const uint32_t events = client.unsent.empty() ? EPOLLIN : EPOLLOUT;
    [[maybe_unused]] const Status changed = loop_.modify(client.channel.get(), events);
}

}  // namespace anchorhold::dialer
