// What the HTTP/2 relay needs of an exchange: the methods of proxy/exchange.h as an interface, so
// that tests and the fuzzer put their own in its place.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/exchange.h"
#include "proxy/head.h"
#include "proxy/websocket/message_filter.h"

namespace anchorhold::proxy::http2 {

// One request and its answer; every method means what the same one of Exchange means. The relay
// calls nothing more after finish(), and destroys it afterwards; one destroyed without was cut off.
class RequestGate {
  public:
    virtual ~RequestGate() = default;

    [[nodiscard]] virtual size_t body_needed() const = 0;
    // Is cancelled (asio's per-operation cancellation, terminal) when the guest resets the stream
    // or the connection ends; it may throw operation_aborted then, and must end soon.
    virtual asio::awaitable<std::optional<Denial>> admit(std::string& body, bool whole) = 0;
    [[nodiscard]] virtual const RequestHead& request() const = 0;
    // The head was written upstream: what it held of secrets may be wiped.
    virtual void request_sent() = 0;
    [[nodiscard]] virtual std::optional<uint64_t> new_content_length() const = 0;
    virtual std::optional<Denial> request_body(std::string& piece) = 0;
    virtual std::optional<Denial> request_end(std::string& rest, Fields& trailers) = 0;
    virtual void answer(ResponseHead& head) = 0;
    [[nodiscard]] virtual size_t answer_needed() const = 0;
    [[nodiscard]] virtual bool answer_may_change() const = 0;
    virtual std::optional<Denial> answer_body(std::string& piece) = 0;
    virtual std::optional<Denial> answer_end(std::string& rest, Fields& trailers) = 0;
    virtual void finish(std::string_view error) = 0;
    // Also for what the relay itself refuses before admission: malformed, host_mismatch,
    // connect_refused, upgrade_refused.
    [[nodiscard]] virtual Denial failed(policy::Reason reason, std::string_view detail) = 0;
    // The extended CONNECT was accepted: no bodies follow, but messages.
    virtual websocket::Filters note_upgraded() = 0;
};

class RequestGates {
  public:
    virtual ~RequestGates() = default;
    // For each request with a readable head; one that the relay refuses by itself gets failed() and
    // finish() only.
    virtual std::unique_ptr<RequestGate> begin(RequestHead head) = 0;
    // The guest broke HTTP/2 in a way that leaves no request to answer: a flood, a protocol error.
    // `detail` is one line. A stream's breach is counted too, and may come often.
    virtual void violation(std::string_view detail) = 0;
};

}  // namespace anchorhold::proxy::http2
