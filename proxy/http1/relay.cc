// Sequential where there is no streamed request body; where there is one, it is pumped beside the
// answer.
#include "proxy/http1/relay.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <optional>

#include "proxy/exchange.h"
#include "proxy/http1/body_reader.h"
#include "proxy/http1/head_parser.h"
#include "proxy/http1/head_writer.h"
#include "proxy/wake.h"
#include "proxy/websocket/handshake.h"
#include "proxy/websocket/relay.h"

namespace anchorhold::proxy::http1 {
namespace {

using policy::Reason;

constexpr size_t kFirstRead = size_t{4} << 10;  // what a request or an answer's head mostly is
constexpr size_t kBulkRead = size_t{64} << 10;

std::vector<std::string> only_http1() {
    return {"http/1.1"};
}

std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// Appends what has arrived, waiting for at least a byte, up to `most`; returns the count, 0 at the
// end of the stream.
asio::awaitable<Result<size_t>> append_some(Duplex& stream, std::string& buffer, size_t most) {
    const size_t before = buffer.size();
    for (;;) {
        buffer.resize(before + most);
        size_t count = 0;
        IoResult result;
        while (count < most) {
            result =
                stream.try_read(std::as_writable_bytes(std::span(buffer)).subspan(before + count));
            if (result.kind != IoResult::Kind::bytes) {
                break;
            }
            count += result.count;
            if (result.count < kFirstRead) {
                break;  // a whole record: more is unlikely to be there
            }
        }
        buffer.resize(before + count);
        if (count > 0) {
            co_return count;
        }
        if (buffer.empty()) {
            std::string().swap(buffer);  // an idle connection holds no buffer
        }
        switch (result.kind) {
            case IoResult::Kind::end:
                co_return size_t{0};
            case IoResult::Kind::failed:
                co_return fail(result.why);
            case IoResult::Kind::want_write:
                co_await stream.wait_writable();
                break;
            default:
                co_await stream.wait_readable();
                break;
        }
    }
}

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

asio::awaitable<Result<std::optional<ParsedRequest>>> Relay::read_request() {
    for (;;) {
        // RFC 9112 §2.2: an empty line before a request line is ignored.
        if (from_guest_.starts_with("\r\n")) {
            from_guest_.erase(0, 2);
        }
        auto length = head_length(from_guest_);
        Result<ParsedRequest> request = fail("");
        if (!length) {
            request = tl::unexpected(length.error());
        } else if (*length) {
            request = parse_request(std::string_view(from_guest_).substr(0, **length));
            from_guest_.erase(0, **length);
        } else {
            const auto count = co_await append_some(guest_, from_guest_, kFirstRead);
            if (!count) {
                co_return tl::unexpected(count.error());
            }
            if (*count == 0) {
                if (from_guest_.empty()) {
                    co_return std::optional<ParsedRequest>();
                }
                co_return fail("the guest ended inside a request head");
            }
            continue;
        }
        if (request) {
            co_return std::optional(std::move(*request));
        }
        const std::string why = request.error().message;
        co_await answer_denial(refuse_malformed(window_, connection_, why), false, false);
        co_return fail("malformed request: " + why);
    }
}

asio::awaitable<Relay::Next> Relay::answer_denial(const Denial& denial, bool body_read,
                                                  bool head_only) {
    std::string out;
    append_denial(out, denial, !head_only, body_read);
    const Status written = co_await write_all(guest_, as_bytes(out));
    co_return written&& body_read ? Next::request : close("");
}

asio::awaitable<Status> Relay::collect(BodyReader& body, size_t most, bool send_continue,
                                       std::string& collected) {
    if (send_continue) {
        const Status told = co_await write_all(guest_, as_bytes("HTTP/1.1 100 Continue\r\n\r\n"));
        if (!told) {
            co_return told;
        }
    }
    while (!body.done() && collected.size() <= most) {
        if (from_guest_.empty()) {
            const auto count = co_await append_some(guest_, from_guest_, kBulkRead);
            if (!count) {
                co_return tl::unexpected(count.error());
            }
            if (*count == 0) {
                co_return fail("the guest ended inside a body");
            }
        }
        const auto used = body.read(from_guest_, collected);
        if (!used) {
            co_return tl::unexpected(used.error());
        }
        from_guest_.erase(0, *used);
    }
    co_return Status();
}

asio::awaitable<Relay::Next> Relay::serve(ParsedRequest request) {
    std::string websocket_key;
    std::string handshake_fault;
    if (request.upgrade == "websocket") {
        auto key = websocket::check_request(request.head, websocket::Carrier::http1);
        if (key && request.framing.kind == Framing::Kind::none) {
            websocket_key = std::move(*key);
        } else {
            handshake_fault = key ? "an upgrade with a body" : key.error().message;
        }
    }
    const bool head_only = request.head.method == "HEAD";
    BodyReader body(request.framing, BodyReader::From::guest);
    if (request.framing.kind == Framing::Kind::length) {
        request.head.fields.push_back({"content-length", std::to_string(request.framing.length)});
    }
    Exchange exchange(window_, connection_, std::move(request.head));
    if (!handshake_fault.empty()) {
        co_return co_await answer_denial(exchange.refuse(Reason::malformed, handshake_fault), false,
                                         head_only);
    }
    std::string collected;
    if (const size_t needed = exchange.body_needed(); needed > 0 && !body.done()) {
        const bool send_continue = std::exchange(request.expects_continue, false);
        const Status whole = co_await collect(body, needed, send_continue, collected);
        if (!whole) {
            co_return co_await answer_denial(
                exchange.refuse(Reason::malformed, whole.error().message), false, head_only);
        }
    }
    if (const auto denied = co_await exchange.admit(collected, body.done())) {
        co_return co_await answer_denial(*denied, body.done(), head_only);
    }
    if (upstream_.stream == nullptr && upstream_.reason == Reason::none) {
        upstream_ = co_await connect_upstream(window_, connection_, only_http1());
    }
    if (upstream_.stream == nullptr) {
        const Denial denial = exchange.failed(upstream_.reason, upstream_.detail);
        exchange.finish(upstream_.detail);
        upstream_.reason = Reason::none;  // the next request tries again
        co_return co_await answer_denial(denial, body.done(), head_only);
    }
    const Status sent = co_await send_head(exchange, request, body, collected);
    if (!sent) {
        const Denial denial = exchange.failed(Reason::unreachable, sent.error().message);
        exchange.finish(sent.error().message);
        co_return co_await answer_denial(denial, false, head_only);
    }
    const auto pump = std::make_shared<Pump>();
    pump->done = body.done();
    if (pump->done) {
        co_return co_await respond(exchange, request, websocket_key, *pump);
    }
    const bool chunked =
        request.framing.kind == Framing::Kind::chunked && !exchange.new_content_length();
    asio::co_spawn(window_.context, pump_body(exchange, body, chunked, pump), asio::detached);
    Next next = co_await respond(exchange, request, websocket_key, *pump);
    if (!pump->done) {
        // The answer came before the body's end: neither connection can be used again.
        guest_.finish_writing();
        guest_.cancel();
        upstream_.stream->cancel();
        next = close(ended_);
    }
    co_await pump->ended->wait();
    co_return pump->failed ? close(ended_) : next;
}

asio::awaitable<Status> Relay::send_head(Exchange& exchange, const ParsedRequest& request,
                                         const BodyReader& body, std::string& collected) {
    Framing framing = request.framing;
    if (const auto length = exchange.new_content_length()) {
        framing = {Framing::Kind::length, *length};
    }
    RequestHead head = exchange.request();
    std::erase_if(head.fields, [](const Field& field) { return field.name == "content-length"; });
    std::string out;
    append_request(out, head, framing, request.expects_continue);
    if (framing.kind == Framing::Kind::chunked) {
        if (!collected.empty()) {
            out += chunk_header(collected.size()) + collected + "\r\n";
        }
        if (body.done()) {
            out += "0\r\n\r\n";
        }
    } else {
        out += collected;
    }
    Status sent = co_await write_all(*upstream_.stream, as_bytes(out));
    if (!sent && upstream_used_ && body.done()) {
        // The upstream closed an idle connection just now; the request never got there.
        from_upstream_.clear();
        upstream_ = co_await connect_upstream(window_, connection_, only_http1());
        upstream_used_ = false;
        sent = fail(upstream_.detail);
        if (upstream_.stream != nullptr) {
            sent = co_await write_all(*upstream_.stream, as_bytes(out));
        }
    }
    std::fill(out.begin(), out.end(), '\0');
    wipe(head);
    exchange.request_sent();
    co_return sent;
}

asio::awaitable<void> Relay::pump_body(Exchange& exchange, BodyReader& body, bool chunked,
                                       std::shared_ptr<Pump> pump) {
    const auto send = [&](const std::string& piece) -> asio::awaitable<bool> {
        if (piece.empty()) {
            co_return true;
        }
        const std::string out =
            chunked ? chunk_header(piece.size()) + piece + "\r\n" : std::string();
        const Status sent = co_await write_all(*upstream_.stream, as_bytes(chunked ? out : piece));
        co_return sent.has_value();
    };
    std::string piece;
    while (!body.done() && !pump->failed) {
        if (from_guest_.empty()) {
            const auto count = co_await append_some(guest_, from_guest_, kBulkRead);
            if (!count || *count == 0) {
                pump->failed = true;
                break;
            }
        }
        piece.clear();
        const auto used = body.read(from_guest_, piece);
        if (!used) {
            pump->denied = exchange.refuse(Reason::malformed, used.error().message);
            pump->failed = true;
            break;
        }
        from_guest_.erase(0, *used);
        pump->denied = exchange.request_body(piece);
        pump->failed = pump->denied.has_value();
        if (!pump->failed) {
            const bool sent = co_await send(piece);
            pump->failed = !sent;
        }
    }
    if (!pump->failed) {
        std::string rest;
        pump->denied = exchange.request_end(rest, body.trailers());
        pump->failed = pump->denied.has_value();
        if (!pump->failed) {
            const bool sent = co_await send(rest);
            pump->failed = !sent;
        }
    }
    if (!pump->failed && chunked) {
        std::string end = "0\r\n";
        append_fields(end, body.trailers());
        end += "\r\n";
        pump->failed = !co_await write_all(*upstream_.stream, as_bytes(end));
    }
    pump->done = !pump->failed;
    if (pump->failed) {
        upstream_.stream->reset();  // a cut body must not look whole
    }
    pump->ended->tell(true);
}

asio::awaitable<Result<ParsedResponse>> Relay::read_response(const std::string& method) {
    for (;;) {
        const auto length = head_length(from_upstream_);
        if (!length) {
            co_return tl::unexpected(length.error());
        }
        if (*length) {
            auto response =
                parse_response(std::string_view(from_upstream_).substr(0, **length), method);
            from_upstream_.erase(0, **length);
            co_return response;
        }
        const auto count = co_await append_some(*upstream_.stream, from_upstream_, kFirstRead);
        if (!count) {
            co_return tl::unexpected(count.error());
        }
        if (*count == 0) {
            co_return fail("the upstream ended the connection without an answer");
        }
    }
}

asio::awaitable<Relay::Next> Relay::respond(Exchange& exchange, const ParsedRequest& request,
                                            const std::string& websocket_key, const Pump& pump) {
    const std::string method = exchange.request().method;
    for (;;) {
        auto response = co_await read_response(method);
        if (!response) {
            const std::string why = response.error().message;
            upstream_.stream->cancel();
            const Denial denial =
                pump.denied ? *pump.denied : exchange.failed(Reason::unreachable, why);
            exchange.finish(pump.denied ? "denied inside the body" : why);
            co_return co_await answer_denial(denial, false, method == "HEAD");
        }
        const unsigned status = response->head.status;
        if (status == 101) {
            const Status shaken =
                websocket_key.empty() || response->upgrade != "websocket"
                    ? fail("an upgrade nobody asked for")
                    : websocket::check_answer(exchange.request(), response->head, websocket_key,
                                              websocket::Carrier::http1);
            if (!shaken) {
                const Denial denial = exchange.failed(Reason::unreachable, shaken.error().message);
                exchange.finish(shaken.error().message);
                co_return co_await answer_denial(denial, false, false);
            }
            co_return co_await relay_messages(exchange, *response);
        }
        if (status < 200) {
            std::string out;
            append_response(out, status, response->reason, response->head.fields, {}, true);
            if (const Status told = co_await write_all(guest_, as_bytes(out)); !told) {
                exchange.finish("the guest went away");
                co_return close(told.error().message);
            }
            continue;
        }
        const bool keep_alive = request.keep_alive && pump.done;
        const bool upstream_stays = response->keep_alive;
        const Status relayed = co_await relay_answer(exchange, *response, keep_alive);
        exchange.finish(relayed ? std::string_view() : relayed.error().message);
        if (!relayed) {
            upstream_.stream->reset();
            guest_.reset();  // a cut answer must not look whole
            co_return close(relayed.error().message);
        }
        upstream_used_ = true;
        // While a body is still pumped into it, serve() ends it.
        if (pump.done && (!upstream_stays || !from_upstream_.empty())) {
            upstream_.stream.reset();
            from_upstream_.clear();
        }
        co_return keep_alive ? Next::request : close("");
    }
}

asio::awaitable<Status> Relay::relay_answer(Exchange& exchange, ParsedResponse& response,
                                            bool keep_alive) {
    BodyReader body(response.framing, BodyReader::From::upstream);
    exchange.answer(response.head);
    Framing framing = response.framing;
    const size_t needed = exchange.answer_needed();
    if (framing.kind == Framing::Kind::length && (exchange.answer_may_change() || needed > 0)) {
        framing.kind = Framing::Kind::chunked;
    }
    const bool chunked =
        framing.kind == Framing::Kind::chunked || framing.kind == Framing::Kind::until_close;
    std::string out;
    append_response(out, response.head.status, response.reason, response.head.fields, framing,
                    keep_alive);
    std::string piece;
    const auto add_piece = [&] {
        if (!piece.empty()) {
            if (chunked) {
                out += chunk_header(piece.size());
                out += piece;
                out += "\r\n";
            } else if (out.empty()) {
                out.swap(piece);
            } else {
                out += piece;
            }
        }
    };
    while (!body.done()) {
        if (from_upstream_.empty()) {
            if (!out.empty()) {
                const Status told = co_await write_all(guest_, as_bytes(out));
                if (!told) {
                    co_return fail("the guest went away");
                }
                out.clear();
            }
            const auto count = co_await append_some(*upstream_.stream, from_upstream_, kBulkRead);
            if (!count) {
                co_return tl::unexpected(count.error());
            }
            if (*count == 0) {
                const Status whole = body.end_of_stream();
                if (!whole) {
                    co_return whole;
                }
                break;
            }
        }
        if (needed == 0) {
            piece.clear();
        }
        const auto used = body.read(from_upstream_, piece);
        if (!used) {
            co_return tl::unexpected(used.error());
        }
        from_upstream_.erase(0, *used);
        if (needed > 0 && piece.size() > needed) {
            co_return fail("an answer with a credential in it is too long");
        }
        if (needed == 0) {
            if (const auto denied = exchange.answer_body(piece)) {
                co_return fail("the answer was denied");
            }
            add_piece();
        }
    }
    if (needed > 0) {
        if (const auto denied = exchange.answer_body(piece)) {
            co_return fail("the answer was denied");
        }
        add_piece();
    }
    piece.clear();
    if (const auto denied = exchange.answer_end(piece, body.trailers())) {
        co_return fail("the answer was denied");
    }
    add_piece();
    if (chunked) {
        out += "0\r\n";
        append_fields(out, body.trailers());
        out += "\r\n";
    }
    // No co_await inside ?: or ||: g++ 12 destroys what the other branch did not make.
    const Status told = co_await write_all(guest_, as_bytes(out));
    co_return told ? Status() : fail("the guest went away");
}

asio::awaitable<Relay::Next> Relay::relay_messages(Exchange& exchange, ParsedResponse& response) {
    exchange.answer(response.head);
    std::string out;
    append_response(out, 101, response.reason, response.head.fields, {}, true, "websocket");
    if (const Status told = co_await write_all(guest_, as_bytes(out)); !told) {
        exchange.finish("the guest went away");
        co_return close(told.error().message);
    }
    const websocket::End end = co_await websocket::relay_websocket(
        guest_, *upstream_.stream, std::exchange(from_guest_, {}),
        std::exchange(from_upstream_, {}), exchange.note_upgraded());
    if (end.denied) {
        exchange.break_off(end.denied->reason, "denied inside a message");
    } else if (end.error.starts_with("the guest sent ")) {
        exchange.break_off(Reason::malformed, end.error);
    } else {
        exchange.finish(end.error);
    }
    co_return close(end.error);
}

}  // namespace

asio::awaitable<std::string> relay_http1(Window& window, Connection& connection, Duplex& guest,
                                         Connected upstream) {
    Relay relay(window, connection, guest, std::move(upstream));
    co_return co_await relay.run();
}

}  // namespace anchorhold::proxy::http1
