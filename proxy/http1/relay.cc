// Sequential where there is no streamed request body; where there is one, it is pumped beside the
// answer.
#include "proxy/http1/relay.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "proxy/http1/head_writer.h"
#include "proxy/http1/relay_state.h"
#include "proxy/websocket/handshake.h"

namespace anchorhold::proxy::http1 {
namespace {

std::vector<std::string> only_http1() {
    return {"http/1.1"};
}

}  // namespace

using policy::Reason;

IoResult read_records(Duplex& stream, std::span<std::byte> buffer) {
    size_t count = 0;
    IoResult result;
    while (count < buffer.size()) {
        result = stream.try_read(buffer.subspan(count));
        if (result.kind != IoResult::Kind::bytes) {
            break;
        }
        count += result.count;
        if (result.count < kFirstRead) {
            break;  // a whole record: more is unlikely to be there
        }
    }
    return count > 0 ? IoResult{IoResult::Kind::bytes, count} : result;
}

asio::awaitable<Result<size_t>> append_some(Window& window, Duplex& stream, std::string& buffer,
                                            size_t most) {
    for (;;) {
        const std::span<std::byte> scratch = window.scratch().first(most);
        const IoResult result = read_records(stream, scratch);
        if (result.kind == IoResult::Kind::bytes) {
            buffer.append(reinterpret_cast<const char*>(scratch.data()), result.count);
            co_return result.count;
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
            const auto count = co_await append_some(window_, guest_, from_guest_, kFirstRead);
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

asio::awaitable<std::string> relay_http1(Window& window, Connection& connection, Duplex& guest,
                                         Connected upstream) {
    Relay relay(window, connection, guest, std::move(upstream));
    co_return co_await relay.run();
}

}  // namespace anchorhold::proxy::http1
