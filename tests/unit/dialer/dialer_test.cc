// The dialer in-process, over real sockets and with names that answer as told.
#include "dialer/dialer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/seqpacket.h"
#include "proto/frame.h"
#include "rig.h"

namespace anchorhold::dialer {
namespace {

using namespace std::chrono_literals;
using proto::DialAnswer;

DialerLimits limits_for_tests() {
    DialerLimits limits = default_limits();
    limits.dials_per_client = 8;
    limits.clients = 3;
    return limits;
}

class DialerTest : public testing::Test {
  protected:
    static proto::Destination to(const std::string& host, uint32_t port,
                                 const std::string& private_range = "") {
        proto::Destination destination;
        destination.set_host(host);
        destination.add_ports(port);
        if (!private_range.empty()) {
            destination.add_private_ranges(private_range);
        }
        return destination;
    }
    static proto::Destination to_range(const std::string& cidr, uint32_t port) {
        proto::Destination destination;
        destination.set_cidr(cidr);
        destination.add_ports(port);
        return destination;
    }

    Status command(const proto::DialerCommand& message, OwnFd fd = {}) {
        Packet packet;
        packet.bytes = message.SerializeAsString();
        if (fd.valid()) {
            packet.fds.push_back(std::move(fd));
        }
        return dialer->command(std::move(packet));
    }
    // A client's end of its channel.
    OwnFd add_client(uint64_t number, std::vector<proto::Destination> destinations) {
        auto pair = sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK).value();
        proto::DialerCommand message;
        message.mutable_add_client()->set_client(number);
        message.mutable_add_client()->mutable_destinations()->Assign(destinations.begin(),
                                                                     destinations.end());
        EXPECT_TRUE(command(message, std::move(pair.second)));
        return std::move(pair.first);
    }

    static proto::Dial dial_to(uint64_t id, const std::string& host, uint32_t port) {
        proto::Dial dial;
        dial.set_id(id);
        dial.set_host(host);
        dial.set_port(port);
        return dial;
    }
    static proto::Dial dial_to(uint64_t id, const IpAddress& address, uint32_t port) {
        proto::Dial dial;
        dial.set_id(id);
        dial.set_address(std::string(address.bytes().begin(), address.bytes().end()));
        dial.set_port(port);
        return dial;
    }
    static void send(const OwnFd& channel, const proto::Dial& dial) {
        EXPECT_TRUE(send_packet(channel.get(), dial.SerializeAsString()));
    }

    struct Answered {
        DialAnswer message;
        OwnFd socket;
    };
    Answered receive(const OwnFd& channel) {
        std::optional<Packet> packet;
        EXPECT_TRUE(run_until(*loop, [&] {
            auto got = receive_packet(channel.get());
            EXPECT_TRUE(got);
            packet = got ? std::move(*got) : Packet();
            return packet.has_value();
        }));
        Answered answered;
        EXPECT_FALSE(packet->bytes.empty()) << "the channel is closed";
        answered.message = proto::parse<DialAnswer>(packet->bytes, "answer").value();
        if (!packet->fds.empty()) {
            answered.socket = std::move(packet->fds.front());
        }
        EXPECT_EQ(answered.socket.valid(), answered.message.outcome() == DialAnswer::CONNECTED);
        return answered;
    }
    DialAnswer::Outcome ask(const OwnFd& channel, const proto::Dial& dial) {
        send(channel, dial);
        const Answered answered = receive(channel);
        EXPECT_EQ(answered.message.id(), dial.id());
        return answered.message.outcome();
    }
    bool closed(const OwnFd& channel) {
        return run_until(*loop, [&] {
            const auto got = receive_packet(channel.get());
            return got && got->has_value() && (*got)->bytes.empty();
        });
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    LoopbackServer server;
    FakeResolver resolver{*loop};
    AddressCheck check{HostAddresses(steady_clock(), [] {
        return Result<std::vector<IpAddress>>(std::vector{ip("127.0.0.1"), ip("9.9.9.1")});
    })};
    std::unique_ptr<Dialer> dialer =
        std::make_unique<Dialer>(*loop, resolver, check, limits_for_tests());
};

TEST_F(DialerTest, listed_name_with_its_private_range_is_connected) {
    const OwnFd channel = add_client(1, {to("a.example", server.port(), "127.0.0.0/8")});
    resolver.answer("a.example", {ip("127.0.0.1")});
    send(channel, dial_to(7, "a.example", server.port()));
    const Answered answered = receive(channel);
    EXPECT_EQ(answered.message.id(), 7U);
    EXPECT_EQ(answered.message.address(), std::string("\x7f\0\0\1", 4));
    ASSERT_TRUE(answered.socket.valid());
    EXPECT_NE(::fcntl(answered.socket.get(), F_GETFL) & O_NONBLOCK, 0);
    const OwnFd accepted = server.accept();
    ASSERT_TRUE(sys::write_all(answered.socket.get(), "x"));
    char byte = 0;
    EXPECT_EQ(::read(accepted.get(), &byte, 1), 1);
    EXPECT_EQ(dialer->open_dials(), 0U);
}

TEST_F(DialerTest, what_is_not_listed_is_refused_without_a_question) {
    const OwnFd channel = add_client(1, {to("a.example", 443), to_range("8.8.0.0/16", 443)});
    EXPECT_EQ(ask(channel, dial_to(1, "b.example", 443)), DialAnswer::NOT_LISTED);
    EXPECT_EQ(ask(channel, dial_to(2, "a.example", 80)), DialAnswer::NOT_LISTED);
    EXPECT_EQ(ask(channel, dial_to(3, ip("9.9.9.9"), 443)), DialAnswer::NOT_LISTED);
    EXPECT_EQ(ask(channel, dial_to(4, "A.example", 443)), DialAnswer::NOT_LISTED);
    EXPECT_EQ(ask(channel, dial_to(5, "8.8.8.8", 443)), DialAnswer::NOT_LISTED);
    EXPECT_EQ(resolver.asked, 0);
}

TEST_F(DialerTest, name_that_leads_to_a_forbidden_address_is_refused) {
    const OwnFd channel = add_client(1, {to("*.example", server.port())});
    int number = 0;
    for (const char* address :
         {"127.0.0.1", "10.0.0.1", "169.254.169.254", "168.63.129.16", "::1", "::ffff:127.0.0.1",
          "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254", "0.0.0.0", "9.9.9.1"}) {
        const std::string name = "n" + std::to_string(++number) + ".example";
        resolver.answer(name, {ip(address)});
        EXPECT_EQ(ask(channel, dial_to(1, name, server.port())), DialAnswer::FORBIDDEN_ADDRESS)
            << address;
    }
}

TEST_F(DialerTest, one_forbidden_address_among_good_ones_refuses_the_name) {
    const OwnFd channel = add_client(1, {to("a.example", server.port())});
    resolver.answer("a.example", {ip("8.8.8.8"), ip("127.0.0.1")});
    EXPECT_EQ(ask(channel, dial_to(1, "a.example", server.port())), DialAnswer::FORBIDDEN_ADDRESS);
}

// Rebinding: the answer that was checked is the one that is dialled, and the next is checked anew.
TEST_F(DialerTest, name_that_answers_differently_the_second_time_is_refused_then) {
    const OwnFd channel = add_client(1, {to("a.example", server.port(), "127.0.0.1/32")});
    resolver.answer("a.example", {ip("127.0.0.1")});
    resolver.answer("a.example", {ip("127.0.0.2")});
    send(channel, dial_to(1, "a.example", server.port()));
    EXPECT_EQ(receive(channel).message.address(), std::string("\x7f\0\0\1", 4));
    EXPECT_EQ(resolver.asked, 1);
    EXPECT_EQ(ask(channel, dial_to(2, "a.example", server.port())), DialAnswer::FORBIDDEN_ADDRESS);
    EXPECT_EQ(resolver.asked, 2);
}

TEST_F(DialerTest, address_that_is_listed_still_needs_its_private_range) {
    proto::Destination named = to_range("127.0.0.0/8", server.port());
    const OwnFd strict = add_client(1, {named});
    EXPECT_EQ(ask(strict, dial_to(1, ip("127.0.0.1"), server.port())),
              DialAnswer::FORBIDDEN_ADDRESS);
    named.add_private_ranges("127.0.0.1/32");
    const OwnFd wide = add_client(2, {named});
    EXPECT_EQ(ask(wide, dial_to(1, ip("127.0.0.1"), server.port())), DialAnswer::CONNECTED);
    EXPECT_EQ(ask(wide, dial_to(1, ip("::ffff:127.0.0.1"), server.port())), DialAnswer::CONNECTED);
}

TEST_F(DialerTest, destinations_in_several_packets_count_together) {
    proto::DialerCommand first;
    first.mutable_add_client()->set_client(1);
    *first.mutable_add_client()->add_destinations() = to("a.example", server.port(), "127.0.0.0/8");
    ASSERT_TRUE(command(first));
    const OwnFd channel = add_client(1, {to("b.example", server.port(), "127.0.0.0/8")});
    for (const char* name : {"a.example", "b.example"}) {
        resolver.answer(name, {ip("127.0.0.1")});
        EXPECT_EQ(ask(channel, dial_to(1, name, server.port())), DialAnswer::CONNECTED);
    }
}

TEST_F(DialerTest, failures_of_names_have_their_own_outcomes) {
    const OwnFd channel = add_client(1, {to("*.example", server.port(), "127.0.0.0/8")});
    resolver.answer("broken.example", Resolution::Outcome::failed);
    resolver.answer("busy.example", Resolution::Outcome::busy);
    resolver.answer("closed.example", {ip("127.0.0.1")});
    EXPECT_EQ(ask(channel, dial_to(1, "none.example", server.port())), DialAnswer::NO_SUCH_NAME);
    EXPECT_EQ(ask(channel, dial_to(1, "broken.example", server.port())), DialAnswer::UNREACHABLE);
    EXPECT_EQ(ask(channel, dial_to(1, "busy.example", server.port())), DialAnswer::TOO_MANY);
    server.close();
    EXPECT_EQ(ask(channel, dial_to(1, "closed.example", server.port())), DialAnswer::UNREACHABLE);
}

TEST_F(DialerTest, override_is_not_resolved_and_still_checked) {
    proto::DialerCommand settings;
    for (const char* name : {"a.example", "b.example"}) {
        proto::HostOverride& given = *settings.mutable_settings()->add_overrides();
        given.set_host(name);
        given.set_address(std::string("\x7f\0\0\1", 4));
        given.set_port(server.port());
    }
    ASSERT_TRUE(command(settings));
    const OwnFd channel =
        add_client(1, {to("a.example", 443, "127.0.0.0/8"), to("b.example", 443)});
    EXPECT_EQ(ask(channel, dial_to(1, "a.example", 443)), DialAnswer::CONNECTED);
    EXPECT_EQ(ask(channel, dial_to(2, "b.example", 443)), DialAnswer::FORBIDDEN_ADDRESS);
    EXPECT_EQ(resolver.asked, 0);
}

TEST_F(DialerTest, client_that_breaks_the_rules_loses_its_channel_only) {
    const OwnFd good = add_client(1, {to("a.example", server.port(), "127.0.0.0/8")});
    resolver.answer("a.example", {ip("127.0.0.1")});
    resolver.ignore("slow.example");
    proto::Dial both = dial_to(1, "a.example", 443);
    both.set_address("abcd");
    proto::Dial short_address;
    short_address.set_port(1);
    short_address.set_address("abc");
    for (const std::string& bytes :
         {std::string("not a dial"), both.SerializeAsString(), short_address.SerializeAsString(),
          dial_to(1, "a.example", 0).SerializeAsString(),
          dial_to(1, "a.example", 65536).SerializeAsString(), std::string("\xff\xff", 2),
          std::string(kMaxPacketSize, 'x')}) {
        const OwnFd bad = add_client(2, {});
        ASSERT_TRUE(send_packet(bad.get(), bytes));
        EXPECT_TRUE(closed(bad));
        EXPECT_EQ(ask(good, dial_to(1, "a.example", server.port())), DialAnswer::CONNECTED);
    }
    EXPECT_EQ(dialer->clients(), 1U);
}

TEST_F(DialerTest, descriptor_on_a_channel_closes_it) {
    const OwnFd channel = add_client(1, {});
    const int fd = channel.get();
    ASSERT_TRUE(send_packet(fd, dial_to(1, "a.example", 443).SerializeAsString(), {&fd, 1}));
    EXPECT_TRUE(closed(channel));
}

TEST_F(DialerTest, number_in_use_twice_closes_the_channel) {
    const OwnFd channel = add_client(1, {to("slow.example", 443)});
    resolver.ignore("slow.example");
    send(channel, dial_to(1, "slow.example", 443));
    send(channel, dial_to(1, "slow.example", 443));
    EXPECT_TRUE(closed(channel));
    EXPECT_EQ(resolver.open(), 0U);
    EXPECT_EQ(dialer->open_dials(), 0U);
}

TEST_F(DialerTest, more_open_dials_than_allowed_are_answered_too_many) {
    const OwnFd channel = add_client(1, {to("slow.example", 443)});
    resolver.ignore("slow.example");
    for (uint64_t id = 0; id < 9; ++id) {
        send(channel, dial_to(id, "slow.example", 443));
    }
    const Answered answered = receive(channel);
    EXPECT_EQ(answered.message.id(), 8U);
    EXPECT_EQ(answered.message.outcome(), DialAnswer::TOO_MANY);
    EXPECT_EQ(dialer->open_dials(), 8U);
}

TEST_F(DialerTest, client_that_takes_no_answers_is_not_heard_until_it_does) {
    auto pair = sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK).value();
    const int small = 1;
    ASSERT_EQ(::setsockopt(pair.second.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    proto::DialerCommand message;
    message.mutable_add_client()->set_client(1);
    ASSERT_TRUE(command(message, std::move(pair.second)));
    uint64_t sent = 0;
    const auto send_all_there_is_room_for = [&] {
        while (send_packet(pair.first.get(), dial_to(sent, "x.example", 1).SerializeAsString())) {
            ++sent;
        }
    };
    for (int i = 0; i < 100; ++i) {
        send_all_there_is_room_for();
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }
    EXPECT_LE(dialer->open_dials(), limits_for_tests().dials_per_client + 1);
    std::set<uint64_t> answered;
    while (answered.size() < sent) {
        ASSERT_TRUE(answered.insert(receive(pair.first).message.id()).second);
    }
}

TEST_F(DialerTest, channel_that_closes_takes_its_dials_along) {
    OwnFd channel = add_client(1, {to("slow.example", 443)});
    resolver.ignore("slow.example");
    send(channel, dial_to(1, "slow.example", 443));
    ASSERT_TRUE(run_until(*loop, [&] { return resolver.open() == 1; }));
    channel.reset();
    ASSERT_TRUE(run_until(*loop, [&] { return dialer->clients() == 0; }));
    EXPECT_EQ(resolver.open(), 0U);
    EXPECT_EQ(dialer->open_dials(), 0U);
}

TEST_F(DialerTest, removed_client_is_closed) {
    const OwnFd channel = add_client(1, {});
    proto::DialerCommand message;
    message.mutable_remove_client()->set_client(1);
    ASSERT_TRUE(command(message));
    EXPECT_TRUE(closed(channel));
}

TEST_F(DialerTest, client_beyond_the_bound_is_closed_at_once) {
    std::vector<OwnFd> channels;
    for (uint64_t number = 0; number < 4; ++number) {
        channels.push_back(add_client(number, {}));
    }
    EXPECT_TRUE(closed(channels.back()));
    EXPECT_EQ(dialer->clients(), 3U);
}

TEST_F(DialerTest, command_that_is_not_as_agreed_is_an_error) {
    EXPECT_FALSE(command(proto::DialerCommand()));
    proto::DialerCommand settings;
    settings.mutable_settings();
    EXPECT_TRUE(command(settings));
    EXPECT_FALSE(command(settings, sys::event_fd().value()));
    proto::DialerCommand add;
    add.mutable_add_client()->set_client(1);
    EXPECT_FALSE(command(add, sys::event_fd().value()));
    EXPECT_FALSE(command(settings)) << "settings come first";
}

class UpstreamProxyTest : public DialerTest {
  protected:
    void SetUp() override {
        proto::DialerCommand settings;
        proto::UpstreamProxy& proxy = *settings.mutable_settings()->add_proxies();
        proxy.add_hosts("*");
        proxy.set_host("proxy.corp");
        proxy.set_port(server.port());
        proxy.set_authorization("Basic dTpw");
        ASSERT_TRUE(command(settings));
        resolver.answer("proxy.corp", {ip("127.0.0.1")});
        channel = add_client(1, {to("a.example", 443), to_range("0.0.0.0/0", 443)});
    }
    std::string read_request(const OwnFd& socket) {
        std::string request;
        char buffer[512];
        while (request.find("\r\n\r\n") == std::string::npos) {
            const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
            if (got > 0) {
                request.append(buffer, static_cast<size_t>(got));
            } else if (!loop->run_once(10ms)) {
                break;
            }
        }
        return request;
    }
    OwnFd accept_proxy() {
        EXPECT_TRUE(run_until(*loop, [&] { return resolver.asked == 1; }));
        return server.accept_within(*loop);
    }

    OwnFd channel;
};

TEST_F(UpstreamProxyTest, name_is_asked_of_the_proxy_and_its_tunnel_handed_over) {
    send(channel, dial_to(1, "a.example", 443));
    const OwnFd proxy = accept_proxy();
    EXPECT_EQ(read_request(proxy),
              "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n"
              "Proxy-Authorization: Basic dTpw\r\n\r\n");
    ASSERT_TRUE(sys::write_all(proxy.get(), "HTTP/1.1 200 OK\r\n\r\nhello"));
    const Answered answered = receive(channel);
    ASSERT_EQ(answered.message.outcome(), DialAnswer::CONNECTED);
    char buffer[8];
    EXPECT_EQ(::recv(answered.socket.get(), buffer, sizeof buffer, 0), 5);
}

TEST_F(UpstreamProxyTest, refusal_has_its_outcome) {
    send(channel, dial_to(1, "a.example", 443));
    const OwnFd proxy = accept_proxy();
    ASSERT_TRUE(sys::write_all(proxy.get(), "HTTP/1.1 403 Forbidden\r\n\r\n"));
    EXPECT_EQ(receive(channel).message.outcome(), DialAnswer::UPSTREAM_PROXY_REFUSED);
}

TEST_F(UpstreamProxyTest, forbidden_address_is_refused_before_the_proxy_hears_of_it) {
    EXPECT_EQ(ask(channel, dial_to(1, ip("169.254.169.254"), 443)), DialAnswer::FORBIDDEN_ADDRESS);
    EXPECT_EQ(resolver.asked, 0);
}

}  // namespace
}  // namespace anchorhold::dialer
