// The way back: heads, interim answers, bodies, and what becomes of the connection after 101.
#include "proxy/http1/head_writer.h"
#include "proxy/http1/relay_state.h"
#include "proxy/websocket/handshake.h"
#include "proxy/websocket/relay.h"

namespace anchorhold::proxy::http1 {

using policy::Reason;

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
        const auto count =
            co_await append_some(window_, *upstream_.stream, from_upstream_, kFirstRead);
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
            if (framing.kind == Framing::Kind::length && exchange.answer_passes()) {
                const Status passed = co_await pass_through(exchange, body);
                if (!passed) {
                    co_return passed;
                }
                break;
            }
            const auto count =
                co_await append_some(window_, *upstream_.stream, from_upstream_, kBulkRead);
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

// The rest of a body of known length that nothing looks into, from record to record.
asio::awaitable<Status> Relay::pass_through(Exchange& exchange, BodyReader& body) {
    Duplex& upstream = *upstream_.stream;
    while (!body.done()) {
        const size_t most =
            static_cast<size_t>(std::min<uint64_t>(body.plain_left(), window_.scratch().size()));
        const IoResult result = read_records(upstream, window_.scratch().first(most));
        if (result.kind == IoResult::Kind::want_read) {
            co_await upstream.wait_readable();
            continue;
        }
        if (result.kind == IoResult::Kind::want_write) {
            co_await upstream.wait_writable();
            continue;
        }
        if (result.kind != IoResult::Kind::bytes) {
            co_return fail(result.kind == IoResult::Kind::end ? "the body was cut off"
                                                              : result.why);
        }
        if (const auto denied = exchange.answer_bytes(result.count)) {
            co_return fail("the answer was denied");
        }
        body.pass(result.count);
        const Status told = co_await guest_.write_bulk(window_.scratch().first(result.count),
                                                       window_.record_scratch());
        if (!told) {
            co_return fail("the guest went away");
        }
    }
    co_return Status();
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

}  // namespace anchorhold::proxy::http1
