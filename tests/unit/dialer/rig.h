// What the dialer's tests share: a loop with a deadline, servers on loopback, names that answer as
// told.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/sys.h"
#include "dialer/resolver.h"

namespace anchorhold::dialer {

// False when it never became so: a deadline for broken code, never a wait.
template <typename Condition>
[[nodiscard]] bool run_until(EventLoop& loop, Condition condition) {
    const TimePoint deadline = steady_clock().now() + std::chrono::seconds(30);
    while (!condition()) {
        if (steady_clock().now() > deadline || !loop.run_once(std::chrono::milliseconds(50))) {
            return false;
        }
    }
    return true;
}

// A listening socket on 127.0.0.1. Connections wait in its backlog until accept().
class LoopbackServer {
  public:
    LoopbackServer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(socket_.get(), generic, size), 0);
        EXPECT_EQ(::listen(socket_.get(), 128), 0);
        EXPECT_EQ(::getsockname(socket_.get(), generic, &size), 0);
        port_ = ntohs(address.sin_port);
    }
    [[nodiscard]] uint16_t port() const { return port_; }
    [[nodiscard]] OwnFd accept() const {
        return OwnFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
    // The next connection, while `loop` goes on.
    [[nodiscard]] OwnFd accept_within(EventLoop& loop) const {
        OwnFd accepted;
        EXPECT_TRUE(run_until(loop, [&] {
            pollfd waiting{socket_.get(), POLLIN, 0};
            if (::poll(&waiting, 1, 0) == 1) {
                accepted = accept();
            }
            return accepted.valid();
        }));
        return accepted;
    }
    // Nothing listens at port() any more.
    void close() { socket_.reset(); }

  private:
    OwnFd socket_;
    uint16_t port_ = 0;
};

inline IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

// Answers as told, in order; the last answer stays. A name nobody told of does not exist.
class FakeResolver final : public Resolver {
  public:
    explicit FakeResolver(EventLoop& loop) : loop_(loop) {}

    void answer(const std::string& name, std::vector<IpAddress> addresses) {
        answers_[name].push_back({Resolution::Outcome::found, std::move(addresses), ""});
    }
    void answer(const std::string& name, Resolution::Outcome outcome) {
        answers_[name].push_back({outcome, {}, "as told"});
    }
    // Questions for it are never answered.
    void ignore(const std::string& name) { ignored_.insert(name); }

    Ticket resolve(uint64_t /*client*/, const std::string& name, Done done) override {
        const Ticket ticket = next_++;
        ++asked;
        open_[ticket] = std::move(done);
        if (ignored_.contains(name)) {
            return ticket;
        }
        Resolution resolution{Resolution::Outcome::no_such_name, {}, ""};
        if (auto& known = answers_[name]; !known.empty()) {
            resolution = known.front();
            if (known.size() > 1) {
                known.pop_front();
            }
        }
        loop_.post([this, ticket, resolution] {
            auto found = open_.extract(ticket);
            if (!found.empty()) {
                found.mapped()(resolution);
            }
        });
        return ticket;
    }
    void cancel(Ticket ticket) override { open_.erase(ticket); }

    [[nodiscard]] size_t open() const { return open_.size(); }
    int asked = 0;

  private:
    EventLoop& loop_;
    Ticket next_ = 1;
    std::map<Ticket, Done> open_;
    std::map<std::string, std::deque<Resolution>> answers_;
    std::set<std::string> ignored_;
};

}  // namespace anchorhold::dialer
