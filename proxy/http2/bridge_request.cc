// The guest's half of a stream: head, admission, body, trailers, on to the upstream.
#include <utility>

#include "proxy/http2/bridge.h"
#include "proxy/http2/callbacks.h"
#include "proxy/http2/grpc.h"
#include "proxy/websocket/handshake.h"

namespace anchorhold::proxy::http2 {
namespace {

constexpr std::string_view kScheme = "https";
// nghttp2's own assumption until SETTINGS say otherwise.
constexpr uint32_t kStreamsBeforeSettings = 100;

std::optional<Refusal> check_websocket(RequestHead& head, bool& websocket) {
    if (head.protocol != "websocket") {
        return std::nullopt;
    }
    if (const auto key = websocket::check_request(head, websocket::Carrier::http2); !key) {
        return Refusal{policy::Reason::upgrade_refused, key.error().message};
    }
    websocket = true;
    // Policy knows one method for opening a WebSocket, whichever HTTP carries it.
    head.method = "GET";
    return std::nullopt;
}

}  // namespace

Stream* Bridge::open_stream(int32_t guest_id) {
    auto& place = streams_[guest_id];
    place = std::make_unique<Stream>();
    place->guest_id = guest_id;
    return place.get();
}

void Bridge::request_begins(Stream& stream, bool ended) {
    HeadBlock block = std::exchange(stream.up.block, HeadBlock());
    std::optional<Refusal> refusal;
    RequestHead head = request_head(block, kScheme, refusal);
    if (!refusal) {
        refusal = check_websocket(head, stream.websocket);
    }
    stream.guest_ended = ended;
    stream.length = block.length;
    stream.te_trailers = block.te_trailers;
    stream.head_request = head.method == "HEAD";
    stream.grpc = is_grpc(head);
    const Field* const expect = find_field(head.fields, "expect");
    const bool expects = expect != nullptr && expect->value == "100-continue";
    stream.gate = gates_.begin(std::move(head));
    if (refusal) {
        refuse(stream, refusal->reason, refusal->detail);
        return;
    }
    const bool collect = !ended && !stream.websocket && stream.gate->body_needed() > 0;
    if (!collect) {
        ask_admission(stream);
        return;
    }
    stream.phase = Stream::Phase::collecting;
    if (expects) {
        // What decides is in the body, and the guest sends it only when asked to.
        NvList nv;
        nv.add(":status", "100", false);
        nghttp2_submit_headers(guest(), NGHTTP2_FLAG_NONE, stream.guest_id, nullptr, nv.data(),
                               nv.size(), nullptr);
        stream.continued = true;
    }
}

void Bridge::request_bytes(Stream& stream, std::string_view bytes) {
    received(Leg::guest, stream.up, bytes.size());
    switch (stream.phase) {
        case Stream::Phase::head:
        case Stream::Phase::settled:
            credit_stream(Leg::guest, stream, bytes.size());
            return;
        case Stream::Phase::collecting:
            stream.collected += bytes;
            stream.collected_counted += bytes.size();
            collected_ += bytes.size();
            credit_stream(Leg::guest, stream, bytes.size());
            if (collected_ > limits_.collected) {
                refuse(stream, policy::Reason::unavailable,
                       "too many bodies are held for inspection at once");
            } else if (stream.collected.size() > stream.gate->body_needed()) {
                ask_admission(stream);
            }
            return;
        case Stream::Phase::open:
            if (!stream.websocket || stream.upgrade != nullptr) {
                if (stream.upstream_closed) {
                    credit_stream(Leg::guest, stream, bytes.size());
                } else if (forward_request(stream, std::string(bytes))) {
                    resume(Leg::upstream, stream);
                }
                return;
            }
            [[fallthrough]];
        case Stream::Phase::admitting:
        case Stream::Phase::ready:
            stream.waiting += bytes;
            buffered_ += bytes.size();
            return;
    }
}

void Bridge::request_ended(Stream& stream) {
    stream.guest_ended = true;
    if (stream.phase == Stream::Phase::collecting) {
        stream.whole = true;
        ask_admission(stream);
    } else if (stream.phase == Stream::Phase::open &&
               (!stream.websocket || stream.upgrade != nullptr)) {
        end_request(stream);
    }
}

void Bridge::ask_admission(Stream& stream) {
    stream.whole = stream.guest_ended;
    stream.phase = Stream::Phase::admitting;
    stream.admission_running = true;
    to_admit_.push_back(stream.guest_id);
}

Stream* Bridge::next_to_admit() {
    if (to_admit_.empty()) {
        return nullptr;
    }
    const int32_t id = to_admit_.front();
    to_admit_.pop_front();
    // Streams whose admission is due are never forgotten.
    return streams_.at(id).get();
}

void Bridge::admitted(Stream& stream, std::optional<Denial> denial) {
    stream.admission_running = false;
    stream.cancel_admission = nullptr;
    if (stream.guest_closed) {
        std::string().swap(stream.collected);
        settle_gate(stream, "the guest's stream ended before it was decided");
        forget_if_done(stream);
    } else if (stream.phase == Stream::Phase::settled) {
        std::string().swap(stream.collected);
    } else if (denial) {
        answer_denial(stream, std::move(*denial), {});
    } else {
        stream.phase = Stream::Phase::ready;
        ready_.push_back(stream.guest_id);
        start_ready();
    }
    sweep();
}

// Opens upstream streams as far as the upstream allows it; the rest wait, at most as many as the
// guest may have.
void Bridge::start_ready() {
    const uint32_t most = upstream_settings_ && !upstream_.gone
                              ? nghttp2_session_get_remote_settings(
                                    upstream(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                              : kStreamsBeforeSettings;
    while (!ready_.empty()) {
        const auto found = streams_.find(ready_.front());
        const bool wanted = found != streams_.end() && found->second->phase == Stream::Phase::ready;
        const bool lost = upstream_.gone || upstream_.leaving;
        if (wanted && !lost && open_upstream_ >= most) {
            return;
        }
        ready_.pop_front();
        if (wanted && no_upstream_) {
            refuse(*found->second, no_upstream_->reason, no_upstream_->detail);
        } else if (wanted && lost) {
            break_off(*found->second, NGHTTP2_REFUSED_STREAM,
                      "the upstream closed the connection before the request was sent");
        } else if (wanted) {
            submit_request(*found->second);
        }
    }
}

void Bridge::submit_request(Stream& stream) {
    stream.phase = Stream::Phase::open;
    collected_ -= std::exchange(stream.collected_counted, 0);
    queue(stream.up, std::exchange(stream.collected, {}));
    if (!stream.websocket) {
        const std::string waiting = std::exchange(stream.waiting, {});
        buffered_ -= waiting.size();
        if (!waiting.empty() && !forward_request(stream, waiting)) {
            return;
        }
        if (stream.guest_ended) {
            end_request(stream);
            if (stream.phase != Stream::Phase::open) {
                return;
            }
        }
    }
    const RequestHead& head = stream.gate->request();
    const auto length =
        stream.gate->new_content_length() ? stream.gate->new_content_length() : stream.length;
    const std::string length_text = length ? std::to_string(*length) : std::string();
    NvList nv;
    nv.add(":method", stream.websocket ? "CONNECT" : std::string_view(head.method), false);
    if (stream.websocket) {
        nv.add(":protocol", "websocket", false);
    }
    nv.add(":scheme", kScheme, false);
    nv.add(":authority", head.authority, false);
    nv.add(":path", head.target, false);
    for (const Field& field : head.fields) {
        if (!stream.continued || field.name != "expect") {
            nv.add(field);
        }
    }
    if (stream.te_trailers) {
        nv.add("te", "trailers", false);
    }
    if (length) {
        nv.add("content-length", length_text, false);
    }
    if (!nv.valid()) {
        refuse(stream, policy::Reason::malformed, "a header field that must not be sent");
        return;
    }
    const bool body = !(stream.up.ended && stream.up.queue.empty() && stream.up.trailers.empty());
    const nghttp2_data_provider provider = request_provider(stream);
    stream.up.submitted = body;
    const int32_t id = nghttp2_submit_request(upstream(), nullptr, nv.data(), nv.size(),
                                              body ? &provider : nullptr, &stream);
    if (id < 0) {
        // Stream numbers have run out: as if the upstream had said that it leaves (RFC 9113
        // §5.1.1).
        upstream_.leaving = true;
        refuse_new_streams();
        break_off(stream, NGHTTP2_REFUSED_STREAM, nghttp2_strerror(id));
        return;
    }
    stream.upstream_id = id;
    stream.down.window = limits_.stream_window;
    ++open_upstream_;
}

// Body bytes through the gate into the queue. False when that ended the stream.
bool Bridge::forward_request(Stream& stream, std::string bytes) {
    std::optional<Denial> denial;
    if (stream.upgrade != nullptr) {
        std::string out;
        auto failure = stream.upgrade->to_upstream.take(bytes, out);
        queue(stream.up, std::move(out));
        if (failure) {
            close_websocket(stream, *failure);
            return false;
        }
    } else {
        denial = stream.gate->request_body(bytes);
        if (!denial) {
            queue(stream.up, std::move(bytes));
        }
    }
    if (denial) {
        answer_denial(stream, std::move(*denial), {});
        return false;
    }
    if (stream.up.queue.empty()) {
        credit_stream(Leg::guest, stream, 0);
    }
    return true;
}

void Bridge::end_request(Stream& stream) {
    if (stream.upgrade == nullptr) {
        if (stream.up.block.fault() != HeadBlock::Fault::none) {
            gates_.violation("HTTP/2: trailers that are too long or not allowed");
            break_off(stream, NGHTTP2_PROTOCOL_ERROR, "the guest's trailers are not allowed");
            return;
        }
        Fields trailers = trailer_fields(stream.up.block);
        std::string rest;
        if (auto denial = stream.gate->request_end(rest, trailers)) {
            answer_denial(stream, std::move(*denial), {});
            return;
        }
        queue(stream.up, std::move(rest));
        stream.up.trailers = std::move(trailers);
    }
    stream.up.ended = true;
    resume(Leg::upstream, stream);
}

}  // namespace anchorhold::proxy::http2
