// Request bodies: collected before the decision, or pumped beside the answer.
#include "proxy/http1/head_writer.h"
#include "proxy/http1/relay_state.h"

namespace anchorhold::proxy::http1 {

using policy::Reason;

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
            const auto count = co_await append_some(window_, guest_, from_guest_, kBulkRead);
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
            const auto count = co_await append_some(window_, guest_, from_guest_, kBulkRead);
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
        const Status sent = co_await write_all(*upstream_.stream, as_bytes(end));
        pump->failed = !sent;
    }
    pump->done = !pump->failed;
    if (pump->failed) {
        upstream_.stream->reset();  // a cut body must not look whole
    }
    pump->ended->tell(true);
}

}  // namespace anchorhold::proxy::http1
