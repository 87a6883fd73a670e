// What one HTTP/1.1 connection holds between and during its exchanges. Private to http1/.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/connection.h"
#include "proxy/duplex.h"
#include "proxy/exchange.h"
#include "proxy/http1/body_reader.h"
#include "proxy/http1/head_parser.h"
#include "proxy/upstream.h"
#include "proxy/wake.h"
#include "proxy/window.h"

namespace anchorhold::proxy::http1 {

class Relay {
  public:
    Relay(Window& window, Connection& connection, Duplex& guest, Connected upstream)
        : window_(window), connection_(connection), guest_(guest), upstream_(std::move(upstream)) {}

    asio::awaitable<std::string> run() {
        for (;;) {
            auto request = co_await read_request();
            if (!request) {
                co_return request.error().message;
            }
            if (!*request) {
                co_return "";
            }
            const Next next = co_await serve(std::move(**request));
            if (next != Next::request) {
                co_return std::move(ended_);
            }
        }
    }

  private:
    enum class Next { request, close };

    // What the two directions of one exchange share while a body is pumped beside the answer.
    struct Pump {
        bool done = false;
        bool failed = false;
        std::optional<Denial> denied;
        std::shared_ptr<Wake<bool>> ended = Wake<bool>::create();
    };

    asio::awaitable<Result<std::optional<ParsedRequest>>> read_request();
    asio::awaitable<Next> serve(ParsedRequest request);
    asio::awaitable<Next> answer_denial(const Denial& denial, bool body_read, bool head_only);
    asio::awaitable<Status> collect(BodyReader& body, size_t most, bool send_continue,
                                    std::string& collected);
    asio::awaitable<Status> send_head(Exchange& exchange, const ParsedRequest& request,
                                      const BodyReader& body, std::string& collected);
    asio::awaitable<void> pump_body(Exchange& exchange, BodyReader& body, bool chunked,
                                    std::shared_ptr<Pump> pump);
    asio::awaitable<Next> respond(Exchange& exchange, const ParsedRequest& request,
                                  const std::string& websocket_key, const Pump& pump);
    asio::awaitable<Result<ParsedResponse>> read_response(const std::string& method);
    asio::awaitable<Status> relay_answer(Exchange& exchange, ParsedResponse& response,
                                         bool keep_alive);
    asio::awaitable<Status> pass_through(Exchange& exchange, BodyReader& body);
    asio::awaitable<Next> relay_messages(Exchange& exchange, ParsedResponse& response);
    Next close(std::string why) {
        ended_ = std::move(why);
        return Next::close;
    }

    Window& window_;
    Connection& connection_;
    Duplex& guest_;
    Connected upstream_;
    std::string from_guest_;  // read and not yet used
    std::string from_upstream_;
    std::string ended_;
    bool upstream_used_ = false;  // an exchange went over the present upstream connection
};

[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// Appends what has arrived, waiting for at least a byte, up to `most`; returns the count, 0 at the
// end of the stream.
asio::awaitable<Result<size_t>> append_some(Window& window, Duplex& stream, std::string& buffer,
                                            size_t most);

// What is there, over as many TLS records as fit, without waiting.
IoResult read_records(Duplex& stream, std::span<std::byte> buffer);

constexpr size_t kFirstRead = size_t{4} << 10;  // what a request or an answer's head mostly is
constexpr size_t kBulkRead = size_t{64} << 10;

}  // namespace anchorhold::proxy::http1
