// One stream's parts. Private to stream*.cc.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "proxy/client_hello.h"
#include "proxy/connection.h"
#include "proxy/deadline.h"
#include "proxy/plain_stream.h"
#include "proxy/window.h"

namespace anchorhold::proxy {

// For the claim, the first bytes and the handshake: long enough for a client that connects before
// it needs to, and for one that is interpreted on a slow processor.
constexpr std::chrono::seconds kPatience(180);
constexpr size_t kFirstBytes = 4096;

[[nodiscard]] inline uint64_t nanoseconds_since(TimePoint begun) {
    return static_cast<uint64_t>((steady_clock().now() - begun).count());
}

// Ends our direction and waits for the guest to end its own.
asio::awaitable<void> part(Duplex& guest, Deadline& deadline);

class Stream {
  public:
    Stream(Window& window, OwnFd socket)
        : window_(window),
          plain_(std::make_unique<PlainStream>(window.context, std::move(socket))),
          number_(window.parts.next_stream++) {}

    asio::awaitable<void> run() {
        const TimePoint begun = steady_clock().now();
        std::string error;
        Deadline deadline(window_.context);
        deadline.arm(*plain_, kPatience);
        const Status claimed = co_await read_claim();
        if (claimed) {
            error = co_await open(deadline);
        } else {
            deny(policy::Reason::malformed, claimed.error().message);
        }
        deadline.disarm();
        proto::AuditEvent event = window_.event(number_);
        proto::ConnectionClosed& closed = *event.mutable_connection_closed();
        closed.set_bytes_from_guest(connection_.bytes_from_guest);
        closed.set_bytes_to_guest(connection_.bytes_to_guest);
        closed.set_duration_ns(nanoseconds_since(begun));
        closed.set_error(error.substr(0, 512));
        window_.supervisor.note(std::move(event));
    }

  private:
    asio::awaitable<Status> read_claim();
    asio::awaitable<std::string> open(Deadline& deadline);
    asio::awaitable<std::string> serve_raw(proto::Protocol protocol);
    asio::awaitable<std::string> serve_plain_http(Deadline& deadline);
    asio::awaitable<std::string> serve_tls(Deadline& deadline);
    asio::awaitable<std::string> serve_https(const ClientHello& hello, Deadline& deadline);
    asio::awaitable<Result<ClientHello>> read_hello();
    std::optional<std::string> take_server_name(const ClientHello& hello);
    asio::awaitable<bool> peek();
    uint64_t record_opened();
    void deny(policy::Reason reason, std::string_view detail, const proto::Rule* rule = nullptr);
    std::string refuse(policy::Reason reason, std::string_view detail,
                       const proto::Rule* rule = nullptr) {
        deny(reason, detail, rule);
        plain_->reset();
        return std::string(policy::reason_word(reason));
    }
    uint64_t record_decision(proto::RequestDecided decision) {
        proto::AuditEvent event = window_.event(number_, window_.take_request_number());
        *event.mutable_decision() = std::move(decision);
        return window_.supervisor.record(std::move(event));
    }
    [[nodiscard]] proto::RequestDecided decision_event(const proto::Rule* rule) const;

    Window& window_;
    std::unique_ptr<PlainStream> plain_;
    uint64_t number_;
    Connection connection_;
    std::string first_;  // bytes of the connection itself, read so far
};

}  // namespace anchorhold::proxy
