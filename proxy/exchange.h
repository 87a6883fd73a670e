// One request and its answer on their way through the window: policy, limits, credentials, audit.
// The HTTP/1.1 and HTTP/2 relays drive it; it knows neither syntax nor sockets.
//
//   Exchange exchange(window, connection, std::move(head));
//   body = up to exchange.body_needed() bytes, or all of it if shorter
//   if (auto denied = co_await exchange.admit(body)) { answer denied; done }
//   send exchange.request(), then every further piece through request_body(), then request_end()
//   receive the answer's head, exchange.answer(head), every piece through answer_body(), then
//   answer_end() exchange.finish()
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "policy/decision.h"
#include "proxy/head.h"
#include "proxy/websocket/message_filter.h"

namespace anchorhold::proxy {

namespace asio = boost::asio;

class Window;       // proxy/window.h: policy, secrets, audit link of this proxy
struct Connection;  // proxy/connection.h: who asked for what on this stream

// An answer of the window's own. HTTP/1.1 closes after a denial whose request body was not read.
struct Denial {
    policy::Reason reason = policy::Reason::no_rule;
    unsigned status = 403;  // 421 for host_mismatch, 502 and 503 for what is not policy
    std::string content_type;
    std::string body;
    Fields fields;  // without content-type and content-length (gRPC: its trailers-only answer,
                    // status 200)
};

// Collected bodies are bounded by this, whatever a rule or binding asks for.
constexpr size_t kMaxCollectedBody = size_t{1} << 20;

class Exchange {
  public:
    // Counts one request of the connection; a denial found in the head alone comes from admit().
    Exchange(Window& window, Connection& connection, RequestHead head);
    ~Exchange();  // an exchange that was not finished is written down as cut off
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // How many bytes of body admit() wants to see; 0: none, and the body may be streamed at once.
    // One byte more than the bound must be collected if there is one, so that too much is noticed.
    [[nodiscard]] size_t body_needed() const;

    // Decides, asks a person where policy says so, puts the credentials in, and returns once the
    // decision is on record. `body` is what was collected (`whole`: all there is); it may be
    // changed and is to be sent first. nullopt: go on.
    asio::awaitable<std::optional<Denial>> admit(std::string& body, bool whole);

    // What goes upstream, after admit().
    [[nodiscard]] const RequestHead& request() const;
    // The head was written upstream: what it held of secrets is wiped.
    void request_sent();

    // The body's length changed or is now known: Content-Length to send instead of the guest's.
    // nullopt: as it was.
    [[nodiscard]] std::optional<uint64_t> new_content_length() const;

    // A piece of streamed body, changed in place (it may grow, or be held back until the next). A
    // denial ends the request: reset both sides.
    std::optional<Denial> request_body(std::string& piece);
    // After the last piece; `rest` goes before the trailers. Forbidden trailers (RFC 9110 §6.5.1)
    // are removed.
    std::optional<Denial> request_end(std::string& rest, Fields& trailers);

    // The upstream's final head (not for 1xx). Changed in place: Alt-Svc gone, reflections
    // scrubbed.
    void answer(ResponseHead& head);
    // The whole answer must be collected and given to answer_body() in one piece (a captured
    // credential); 0: stream it. A longer one is cut off with an error.
    [[nodiscard]] size_t answer_needed() const;
    // True: answer_body() may change the length, so Content-Length must not be passed on as it is.
    [[nodiscard]] bool answer_may_change() const;
    std::optional<Denial> answer_body(std::string& piece);
    // True: nothing looks into the body; its pieces may be passed on as they are and told to
    // answer_bytes() by their size alone.
    [[nodiscard]] bool answer_passes() const;
    std::optional<Denial> answer_bytes(size_t count);
    std::optional<Denial> answer_end(std::string& rest, Fields& trailers);

    // Denies without asking policy: what the relay found wrong with the message itself, before
    // admission or in a body after it.
    Denial refuse(policy::Reason reason, std::string_view detail);

    // An admitted exchange ends by a denial of what came later: that, and the outcome, are on
    // record.
    void break_off(policy::Reason reason, std::string_view detail);

    // The outcome for the record. `error` is empty for a whole exchange.
    void finish(std::string_view error = {});

    // An answer of the window's own for a failure after admission (unreachable, upstream_untrusted,
    // …), put on record as a denial.
    [[nodiscard]] Denial failed(policy::Reason reason, std::string_view detail) const;

    // WebSocket after 101: its messages pass through the same scanning and scrubbing, and are
    // counted.
    websocket::Filters note_upgraded();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// A denial, on record, of bytes that are no request at all.
Denial refuse_malformed(Window& window, Connection& connection, std::string_view why);

}  // namespace anchorhold::proxy
