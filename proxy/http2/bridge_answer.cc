// The upstream's half of a stream, and the answers of the window's own.
#include <algorithm>
#include <utility>

#include "proxy/http2/bridge.h"
#include "proxy/http2/callbacks.h"
#include "proxy/http2/grpc.h"
#include "proxy/websocket/handshake.h"

namespace anchorhold::proxy::http2 {
namespace {

constexpr unsigned kMaxInterim = 16;
constexpr uint64_t kMaxMessage = uint64_t{1} << 40;

}  // namespace

void Bridge::answer_begins(Stream& stream, bool ended) {
    if (stream.down.block.fault() != HeadBlock::Fault::none) {
        refuse(stream, policy::Reason::unreachable, "the upstream's header list is not acceptable");
        return;
    }
    if (!stream.down.block.status.starts_with('1')) {
        final_answer(stream, ended);
    } else if (stream.interim++ < kMaxInterim) {
        interim_answer(stream);
    }
}

// RFC 9110 §15.2. Of their fields only Link is passed (103): the rest is not looked through for
// what must not reach the guest.
void Bridge::interim_answer(Stream& stream) {
    const HeadBlock block = std::exchange(stream.down.block, HeadBlock());
    if (stream.continued && block.status == "100") {
        return;
    }
    NvList nv;
    nv.add(":status", block.status, false);
    for (const Field& field : block.fields) {
        if (field.name == "link") {
            nv.add(field);
        }
    }
    nghttp2_submit_headers(guest(), NGHTTP2_FLAG_NONE, stream.guest_id, nullptr, nv.data(),
                           nv.size(), nullptr);
}

void Bridge::final_answer(Stream& stream, bool ended) {
    HeadBlock block = std::exchange(stream.down.block, HeadBlock());
    ResponseHead head = response_head(block);
    if (stream.websocket && head.status >= 200 && head.status < 300) {
        if (ended || !upgrade(stream, head)) {
            refuse(stream, policy::Reason::upgrade_refused,
                   "the upstream's answer is no WebSocket");
            return;
        }
    }
    stream.gate->answer(head);
    if (stream.upgrade == nullptr && stream.gate->answer_needed() > 0) {
        stream.held = std::move(head);
        return;
    }
    const bool exact = !stream.gate->answer_may_change() && stream.upgrade == nullptr;
    if (ended && !end_answer(stream)) {
        return;
    }
    submit_answer(stream, head, exact ? block.length : std::nullopt);
    if (stream.upgrade != nullptr && stream.phase == Stream::Phase::open) {
        forward_early_frames(stream);
    }
}

// After the extended CONNECT's 2xx (RFC 8441 §5): what follows are frames.
bool Bridge::upgrade(Stream& stream, const ResponseHead& head) {
    if (!websocket::check_answer(stream.gate->request(), head, {}, websocket::Carrier::http2)) {
        return false;
    }
    const websocket::Filters filters = stream.gate->note_upgraded();
    stream.upgrade = std::make_unique<Upgrade>(Upgrade{
        {websocket::Sender::client, *filters.to_upstream, kMaxMessage},
        {websocket::Sender::server, *filters.to_guest, kMaxMessage},
    });
    return true;
}

// Frames that the guest sent before it knew of the answer.
void Bridge::forward_early_frames(Stream& stream) {
    const std::string waiting = std::exchange(stream.waiting, {});
    buffered_ -= waiting.size();
    if (forward_request(stream, waiting)) {
        resume(Leg::upstream, stream);
        if (stream.guest_ended) {
            end_request(stream);
        }
    }
}

void Bridge::answer_bytes(Stream& stream, std::string_view bytes) {
    received(Leg::upstream, stream.down, bytes.size());
    if (stream.phase != Stream::Phase::open || stream.guest_closed) {
        credit_stream(Leg::upstream, stream, bytes.size());
        return;
    }
    if (stream.held) {
        stream.captured += bytes;
        stream.captured_counted += bytes.size();
        collected_ += bytes.size();
        credit_stream(Leg::upstream, stream, bytes.size());
        if (stream.captured.size() > stream.gate->answer_needed()) {
            refuse(stream, policy::Reason::body_too_large, "an answer too long to be captured");
        } else if (collected_ > limits_.collected) {
            refuse(stream, policy::Reason::unavailable, "too many bodies are held at once");
        }
        return;
    }
    std::string piece(bytes);
    if (stream.upgrade != nullptr) {
        std::string out;
        auto failure = stream.upgrade->to_guest.take(piece, out);
        queue(stream.down, std::move(out));
        if (failure) {
            close_websocket(stream, *failure);
            return;
        }
    } else if (auto denial = stream.gate->answer_body(piece)) {
        answer_denial(stream, std::move(*denial), "the answer was denied");
        return;
    } else {
        queue(stream.down, std::move(piece));
    }
    if (stream.down.queue.empty()) {
        credit_stream(Leg::upstream, stream, 0);
    }
    resume(Leg::guest, stream);
}

void Bridge::answer_ended(Stream& stream) {
    stream.upstream_ended = true;
    if (stream.phase != Stream::Phase::open || stream.guest_closed) {
        return;
    }
    if (!stream.held) {
        // After a head with END_STREAM everything is done already.
        if (!stream.down.ended && end_answer(stream)) {
            resume(Leg::guest, stream);
        }
        return;
    }
    std::string body = std::exchange(stream.captured, {});
    collected_ -= std::exchange(stream.captured_counted, 0);
    if (auto denial = stream.gate->answer_body(body)) {
        answer_denial(stream, std::move(*denial), "the answer was denied");
        return;
    }
    queue(stream.down, std::move(body));
    if (end_answer(stream)) {
        const ResponseHead head = std::move(*std::exchange(stream.held, std::nullopt));
        submit_answer(stream, head, stream.down.queue.size());
    }
}

// False when that ended the stream.
bool Bridge::end_answer(Stream& stream) {
    if (stream.upgrade == nullptr) {
        if (stream.down.block.fault() != HeadBlock::Fault::none) {
            break_off(stream, NGHTTP2_INTERNAL_ERROR, "the upstream's trailers are not acceptable");
            return false;
        }
        Fields trailers = trailer_fields(stream.down.block);
        std::string rest;
        if (auto denial = stream.gate->answer_end(rest, trailers)) {
            answer_denial(stream, std::move(*denial), "the answer was denied");
            return false;
        }
        queue(stream.down, std::move(rest));
        stream.down.trailers = std::move(trailers);
    }
    stream.down.ended = true;
    return true;
}

void Bridge::submit_answer(Stream& stream, const ResponseHead& head,
                           std::optional<uint64_t> length) {
    const std::string status = std::to_string(head.status);
    const std::string length_text = length ? std::to_string(*length) : std::string();
    NvList nv;
    nv.add(":status", status, false);
    nv.add(head.fields);
    if (length) {
        nv.add("content-length", length_text, false);
    }
    const Flow& down = stream.down;
    const bool body = !(down.ended && down.queue.empty() && down.trailers.empty());
    const nghttp2_data_provider provider = answer_provider(stream);
    stream.answering = true;
    stream.down.submitted = body;
    const int result = nv.valid() ? nghttp2_submit_response(guest(), stream.guest_id, nv.data(),
                                                            nv.size(), body ? &provider : nullptr)
                                  : NGHTTP2_ERR_HTTP_HEADER;
    if (result != 0) {
        break_off(stream, NGHTTP2_INTERNAL_ERROR, nghttp2_strerror(result));
    }
}

void Bridge::refuse(Stream& stream, policy::Reason reason, std::string_view detail) {
    answer_denial(stream, stream.gate->failed(reason, detail), detail);
}

// The window's own answer in the upstream's place; a stream that has an answer already is reset.
void Bridge::answer_denial(Stream& stream, Denial denial, std::string_view error) {
    if (stream.answering) {
        break_off(stream, NGHTTP2_INTERNAL_ERROR, error.empty() ? "denied" : error);
        return;
    }
    stream.phase = Stream::Phase::settled;
    stream.held.reset();
    drop_body(stream, stream.up);
    drop_body(stream, stream.down);
    reset_upstream(stream, NGHTTP2_CANCEL);
    settle_gate(stream, error);
    if (stream.guest_closed || guest_.gone) {
        return;
    }
    if (stream.grpc) {
        denial = as_grpc(std::move(denial));
    }
    ResponseHead head;
    head.status = denial.status;
    head.fields = std::move(denial.fields);
    if (!denial.content_type.empty()) {
        head.fields.push_back({"content-type", std::move(denial.content_type)});
    }
    const size_t length = denial.body.size();
    if (!stream.head_request) {
        queue(stream.down, std::move(denial.body));
    }
    stream.down.trailers.clear();
    stream.down.ended = true;
    submit_answer(stream, head, stream.grpc ? std::nullopt : std::optional<uint64_t>(length));
}

// Both sides are told why with a close frame, and neither may send more.
void Bridge::close_websocket(Stream& stream, websocket::Failure& failure) {
    const std::string reason = "anchorhold: " + failure.why;
    std::string close;
    websocket::append_close(close, websocket::Sender::client, failure.code, reason);
    queue(stream.up, std::exchange(close, {}));
    websocket::append_close(close, websocket::Sender::server, failure.code, reason);
    queue(stream.down, std::move(close));
    stream.up.ended = true;
    stream.down.ended = true;
    resume(Leg::upstream, stream);
    resume(Leg::guest, stream);
    settle_gate(stream, failure.why);
    stream.phase = Stream::Phase::settled;
}

}  // namespace anchorhold::proxy::http2
