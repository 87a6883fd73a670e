// Whole connections over socket pairs.
#include "proxy/websocket/relay.h"

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "base/check.h"
#include "base/sys.h"
#include "fake_gates.h"
#include "proxy/websocket/frame_pipe.h"
#include "socket_duplex.h"

namespace anchorhold::proxy::websocket {
namespace {

using testing::HasSubstr;

class WebSocketRelay : public testing::Test {
  protected:
    void start(std::string guest_leftover = {}, std::string upstream_leftover = {}) {
        auto guest = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
        auto upstream = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
        ANCHORHOLD_CHECK(guest && upstream);
        client_ = std::move(guest->first);
        server_ = std::move(upstream->first);
        guest_.emplace(context_, std::move(guest->second));
        upstream_.emplace(context_, std::move(upstream->second));
        asio::co_spawn(context_,
                       relay_websocket(*guest_, *upstream_, std::move(guest_leftover),
                                       std::move(upstream_leftover), {&to_upstream_, &to_guest_},
                                       {.max_message = 100000}),
                       [this](const std::exception_ptr&, End end) { end_ = std::move(end); });
        turn();
    }
    void turn() {
        do {
            context_.restart();
        } while (context_.poll() > 0);
    }
    void send(const OwnFd& from, const std::string& bytes) {
        ASSERT_EQ(::send(from.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        turn();
    }
    static std::string receive(const OwnFd& at) {
        std::array<char, 4096> buffer{};
        const ssize_t count = ::recv(at.get(), buffer.data(), buffer.size(), 0);
        return {buffer.data(), static_cast<size_t>(std::max<ssize_t>(count, 0))};
    }
    static std::string frame(Sender sender, Opcode opcode, std::string payload) {
        std::string bytes;
        const Mask mask{9, 8, 7, 6};
        append_head(bytes, opcode, true, payload.size(), sender, mask);
        if (sender == Sender::client) {
            apply_mask(payload, 0, mask, 0);
        }
        return bytes + payload;
    }
    // The payload of the frame that came, unmasked.
    static std::string payload_of(std::string bytes, Sender sender) {
        const HeadResult result = read_head(bytes, sender);
        EXPECT_EQ(result.kind, HeadResult::Kind::head);
        std::string payload = bytes.substr(result.head.size);
        apply_mask(payload, 0, result.head.mask, 0);
        return payload;
    }

    asio::io_context context_;
    OwnFd client_;
    OwnFd server_;
    std::optional<fakes::SocketDuplex> guest_;
    std::optional<fakes::SocketDuplex> upstream_;
    fakes::FakeFilter to_upstream_;
    fakes::FakeFilter to_guest_;
    std::optional<End> end_;
};

constexpr Sender kClient = Sender::client;
constexpr Sender kServer = Sender::server;

TEST_F(WebSocketRelay, messages_pass_both_ways_and_close_ends_in_order) {
    start();
    send(client_, frame(kClient, Opcode::text, "hello"));
    EXPECT_EQ(payload_of(receive(server_), kClient), "hello");
    send(server_, frame(kServer, Opcode::text, "world"));
    EXPECT_EQ(payload_of(receive(client_), kServer), "world");
    send(client_, frame(kClient, Opcode::close, "\x03\xe8"));
    EXPECT_FALSE(end_.has_value());
    send(server_, frame(kServer, Opcode::close, "\x03\xe8"));
    ASSERT_TRUE(end_.has_value());
    EXPECT_EQ(end_->error, "");
    EXPECT_EQ(end_->to_upstream, 11U + 8U);
    EXPECT_EQ(end_->to_guest, 7U + 4U);
}

TEST_F(WebSocketRelay, leftovers_come_first) {
    start(frame(kClient, Opcode::text, "early"), frame(kServer, Opcode::ping, "p"));
    EXPECT_EQ(payload_of(receive(server_), kClient), "early");
    EXPECT_EQ(payload_of(receive(client_), kServer), "p");
    client_.reset();
    turn();
    EXPECT_TRUE(end_.has_value());
}

TEST_F(WebSocketRelay, breach_by_the_guest_closes_both_sides_with_1002) {
    start();
    send(client_, frame(kServer, Opcode::text, "not masked"));
    ASSERT_TRUE(end_.has_value());
    EXPECT_THAT(end_->error, HasSubstr("the guest sent a client's frame without a mask"));
    EXPECT_THAT(payload_of(receive(server_), kClient), HasSubstr("\x03\xea"));
    EXPECT_THAT(payload_of(receive(client_), kServer), HasSubstr("\x03\xea"));
    EXPECT_EQ(receive(client_), "");
}

TEST_F(WebSocketRelay, denial_closes_both_sides_with_1008) {
    to_upstream_.denied_word = "PLACEHOLDER";
    start();
    send(client_, frame(kClient, Opcode::text, "PLACEHOLDER"));
    ASSERT_TRUE(end_.has_value());
    EXPECT_TRUE(end_->denied.has_value());
    EXPECT_THAT(payload_of(receive(client_), kServer), HasSubstr("\x03\xf0"));
}

TEST_F(WebSocketRelay, lost_side_ends_the_other) {
    start();
    server_.reset();
    turn();
    ASSERT_TRUE(end_.has_value());
    EXPECT_NE(end_->error, "");
}

TEST_F(WebSocketRelay, message_past_the_limit_is_refused) {
    start();
    std::string head;
    append_head(head, Opcode::binary, true, 100001, Sender::server, {});
    send(server_, head);
    ASSERT_TRUE(end_.has_value());
    EXPECT_THAT(end_->error, HasSubstr("longer than the limit"));
}

TEST_F(WebSocketRelay, slow_reader_holds_the_sender_back) {
    start();
    const std::string message = frame(kServer, Opcode::binary, std::string(60000, 'x'));
    uint64_t sent = 0;
    // Until the sender's socket takes no more although the relay had its turn.
    for (;;) {
        const ssize_t count = ::send(server_.get(), message.data() + sent % message.size(),
                                     message.size() - sent % message.size(), MSG_NOSIGNAL);
        turn();
        if (count <= 0) {
            break;
        }
        sent += static_cast<uint64_t>(count);
        ASSERT_LT(sent, uint64_t{16} << 20);
    }
    uint64_t received = 0;
    std::array<char, 65536> buffer{};
    ssize_t count = 0;
    while ((count = ::recv(client_.get(), buffer.data(), buffer.size(), 0)) > 0) {
        received += static_cast<uint64_t>(count);
        turn();
    }
    EXPECT_LE(sent - received, message.size());
    client_.reset();
    turn();
    EXPECT_TRUE(end_.has_value());
}

}  // namespace
}  // namespace anchorhold::proxy::websocket
