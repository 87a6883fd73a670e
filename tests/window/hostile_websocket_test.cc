// Frames after the 101: scanned, scrubbed, and held to RFC 6455.
#include <gtest/gtest.h>

#include "proxy/websocket/frame.h"
#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

namespace ws = proxy::websocket;

const std::string kHandshake =
    "GET /v1/socket HTTP/1.1\r\nHost: {H}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

std::string frame(ws::Sender sender, ws::Opcode opcode, bool final, std::string payload) {
    const ws::Mask mask = sender == ws::Sender::client ? ws::Mask{1, 2, 3, 4} : ws::Mask{};
    std::string bytes;
    ws::append_head(bytes, opcode, final, payload.size(), sender, mask);
    ws::apply_mask(payload, 0, mask, 0);
    return bytes + payload;
}
std::string text(const std::string& payload, bool final = true) {
    return frame(ws::Sender::client, ws::Opcode::text, final, payload);
}

// Echoes what it is sent, unmasked, and keeps it.
class Socket : public HostileGuest {
  protected:
    Socket() : HostileGuest(serve) {}

    static bool serve(const Received& request, ByteStream& stream) {
        stream.write(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        if (request.head.find("api.example.com") != std::string::npos) {
            stream.write(frame(ws::Sender::server, ws::Opcode::text, true,
                               std::string("your key is ") + kApiKey));
        }
        heard() = {};
        for (std::string bytes; !(bytes = stream.read_some()).empty();) {
            heard() += bytes;
        }
        return false;
    }
    static std::string& heard() {
        static std::string bytes;
        return bytes;
    }
    std::unique_ptr<GuestStream> shake(const std::string& host) {
        auto stream = window.open_tls(host);
        std::string request = kHandshake;
        request.replace(request.find("{H}"), 3, host);
        stream->write(request);
        EXPECT_EQ(read_answer(*stream, buffer).status, 101);
        return stream;
    }
    void expect_denied(const std::string& host, const std::string& bytes,
                       const std::string& reason) {
        const auto stream = shake(host);
        stream->write(bytes);
        EXPECT_TRUE(read_to_end(*stream));
        window.wait_for_denial(reason);
        EXPECT_EQ(heard().find(window.placeholder("api-key")), std::string::npos);
    }

    std::string buffer;
};

TEST_F(Socket, placeholder_in_a_message_is_denied) {
    expect_denied("open.example.com", text("my key: " + window.placeholder("api-key")),
                  "stray_placeholder");
}

TEST_F(Socket, placeholder_over_two_fragments_is_denied) {
    const std::string placeholder = window.placeholder("api-key");
    expect_denied(
        "open.example.com",
        text(placeholder.substr(0, 11), false) +
            frame(ws::Sender::client, ws::Opcode::continuation, true, placeholder.substr(11)),
        "stray_placeholder");
}

TEST_F(Socket, placeholder_in_a_ping_is_denied) {
    expect_denied("open.example.com",
                  frame(ws::Sender::client, ws::Opcode::ping, true, window.placeholder("api-key")),
                  "stray_placeholder");
}

TEST_F(Socket, unmasked_frame_is_malformed) {
    expect_denied("open.example.com", frame(ws::Sender::server, ws::Opcode::text, true, "unmasked"),
                  "malformed");
}

TEST_F(Socket, reserved_bits_are_malformed) {
    std::string bytes = text("compressed");
    bytes[0] = static_cast<char>(bytes[0] | 0x40);
    expect_denied("open.example.com", bytes, "malformed");
}

TEST_F(Socket, http_request_behind_the_101_is_malformed) {
    expect_denied("open.example.com", "GET /admin HTTP/1.1\r\nHost: open.example.com\r\n\r\n",
                  "malformed");
}

TEST_F(Socket, secret_in_a_message_of_the_server_is_scrubbed) {
    const auto stream = shake("api.example.com");
    const size_t size =
        frame(ws::Sender::server, ws::Opcode::text, true, std::string("your key is ") + kApiKey)
            .size();
    const std::string message = stream->read_exactly(buffer, size);
    EXPECT_NE(message.find("your key is "), std::string::npos);
    EXPECT_EQ(message.find(kApiKey), std::string::npos);
    expect_no_secret_on_record();
}

}  // namespace
}  // namespace anchorhold::window_test
