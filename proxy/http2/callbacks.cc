// From nghttp2's callbacks to the Bridge's steps.
#include "proxy/http2/callbacks.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "proxy/http2/bridge.h"

namespace anchorhold::proxy::http2 {
namespace {

constexpr size_t kFrameHead = 9;  // RFC 9113 §4.1
constexpr size_t kBatch = size_t{64} << 10;
constexpr uint8_t kContinuation = NGHTTP2_CONTINUATION;

Bridge& bridge_of(void* user_data) {
    return *static_cast<Bridge*>(user_data);
}

Stream* stream_of(nghttp2_session* session, int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

std::string_view text_of(nghttp2_rcbuf* buffer) {
    const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
    return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

std::string_view text_of(const uint8_t* bytes, size_t count) {
    return {reinterpret_cast<const char*>(bytes), count};
}

bool ends_stream(const nghttp2_frame& frame) {
    return (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

}  // namespace

// What both legs do alike.
struct SharedCallbacks {
    template <Leg kLeg>
    static Flow& sent_flow(Stream& stream) {
        return kLeg == Leg::guest ? stream.down : stream.up;
    }
    template <Leg kLeg>
    static HeadBlock& block(Stream& stream) {
        return kLeg == Leg::guest ? stream.up.block : stream.down.block;
    }

    // Frames that are cheap to send and not to handle: an attack when there are many.
    template <Leg kLeg>
    static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user_data) {
        Bridge& bridge = bridge_of(user_data);
        bool counted = true;
        switch (head->type) {
            case NGHTTP2_DATA:
                counted = head->length == 0 && (head->flags & NGHTTP2_FLAG_END_STREAM) == 0;
                break;
            case NGHTTP2_HEADERS:
            case NGHTTP2_WINDOW_UPDATE:
                counted = false;
                break;
            case NGHTTP2_SETTINGS:
            case NGHTTP2_PING:
                counted = (head->flags & NGHTTP2_FLAG_ACK) == 0;
                break;
            case kContinuation:
                counted = head->length < 1024;
                break;
            default:
                break;
        }
        if (counted && !bridge.side(kLeg).meter.take()) {
            bridge.flooded(kLeg, "frames of type " + std::to_string(head->type));
        }
        return 0;
    }

    template <Leg kLeg>
    static int on_header(nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                         nghttp2_rcbuf* value, uint8_t flags, void* user_data) {
        Stream* const stream = stream_of(session, frame->hd.stream_id);
        if (stream != nullptr && stream->phase != Stream::Phase::settled) {
            block<kLeg>(*stream).add(text_of(name), text_of(value),
                                     (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0,
                                     bridge_of(user_data).limits_.head);
        }
        return 0;
    }

    template <Leg kLeg>
    static int on_invalid_header(nghttp2_session* session, const nghttp2_frame* frame,
                                 nghttp2_rcbuf*, nghttp2_rcbuf*, uint8_t, void*) {
        if (Stream* const stream = stream_of(session, frame->hd.stream_id); stream != nullptr) {
            block<kLeg>(*stream).note_invalid();
        }
        return 0;
    }

    template <Leg kLeg>
    static int on_invalid_frame(nghttp2_session*, const nghttp2_frame*, int error,
                                void* user_data) {
        bridge_of(user_data).side(kLeg).breach = nghttp2_strerror(error);
        return 0;
    }

    // Body bytes go from the queue into what produce() gathers.
    template <Leg kLeg>
    static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t length,
                         nghttp2_data_source* source, void* user_data) {
        Bridge& bridge = bridge_of(user_data);
        Stream& stream = *static_cast<Stream*>(source->ptr);
        ANCHORHOLD_CHECK(frame->data.padlen == 0);
        std::string& out = *bridge.side(kLeg).out;
        if (out.size() >= kBatch) {
            return NGHTTP2_ERR_WOULDBLOCK;
        }
        Flow& flow = sent_flow<kLeg>(stream);
        if (flow.queue.size() < length) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // dropped since the frame was planned
        }
        out.append(reinterpret_cast<const char*>(head), kFrameHead);
        out.append(flow.queue.front(length));
        flow.queue.pop(length);
        bridge.buffered_ -= length;
        bridge.credit_stream(kLeg == Leg::guest ? Leg::upstream : Leg::guest, stream, length);
        bridge.repay_connections();
        return 0;
    }

    template <Leg kLeg>
    static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t*, size_t room,
                             uint32_t* flags, nghttp2_data_source* source, void*) {
        Flow& flow = sent_flow<kLeg>(*static_cast<Stream*>(source->ptr));
        if (flow.queue.empty() && !flow.ended) {
            return NGHTTP2_ERR_DEFERRED;
        }
        const size_t count = std::min(room, flow.queue.size());
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        if (flow.ended && count == flow.queue.size()) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            NvList nv;
            nv.add(flow.trailers);
            if (nv.size() != 0 && nv.valid() &&
                nghttp2_submit_trailer(session, id, nv.data(), nv.size()) == 0) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            }
        }
        return static_cast<ssize_t>(count);
    }

    template <Leg kLeg>
    static void sent_goaway(Bridge& bridge, const nghttp2_frame& frame) {
        if (frame.goaway.error_code == NGHTTP2_NO_ERROR || !bridge.error_.empty()) {
            return;
        }
        const std::string& breach = bridge.side(kLeg).breach;
        bridge.error_ = kLeg == Leg::guest ? "HTTP/2: the guest: " : "HTTP/2: the upstream: ";
        bridge.error_ +=
            breach.empty() ? nghttp2_http2_strerror(frame.goaway.error_code) : breach.c_str();
        if (kLeg == Leg::guest) {
            bridge.failed_ = true;
            bridge.gates_.violation(bridge.error_);
        }
    }

    template <Leg kLeg>
    static nghttp2_session_callbacks* table() {
        nghttp2_session_callbacks* callbacks = nullptr;
        ANCHORHOLD_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame<kLeg>);
        nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header<kLeg>);
        nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks,
                                                                  on_invalid_header<kLeg>);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks,
                                                                     on_invalid_frame<kLeg>);
        nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data<kLeg>);
        return callbacks;
    }
};

struct GuestCallbacks {
    static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame,
                                void* user_data) {
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            Stream* const stream = bridge_of(user_data).open_stream(frame->hd.stream_id);
            nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
        } else if (Stream* const stream = stream_of(session, frame->hd.stream_id)) {
            stream->up.block.begin();
        }
        return 0;
    }

    static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
        Bridge& bridge = bridge_of(user_data);
        if (frame->hd.type == NGHTTP2_GOAWAY) {
            bridge.guest_.leaving = true;
        }
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
            return 0;
        }
        Stream* const stream = stream_of(session, frame->hd.stream_id);
        if (stream == nullptr) {
            return 0;
        }
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            bridge.request_begins(*stream, ends_stream(*frame));
        } else if (ends_stream(*frame)) {
            bridge.request_ended(*stream);
        }
        return 0;
    }

    static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                       size_t count, void* user_data) {
        Bridge& bridge = bridge_of(user_data);
        if (Stream* const stream = stream_of(session, id)) {
            bridge.request_bytes(*stream, text_of(bytes, count));
        } else {
            nghttp2_session_consume(session, id, count);
        }
        return 0;
    }

    static int on_close(nghttp2_session* session, int32_t id, uint32_t code, void* user_data) {
        if (Stream* const stream = stream_of(session, id)) {
            bridge_of(user_data).guest_closed(*stream, code);
        }
        return 0;
    }

    static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
        Bridge& bridge = bridge_of(user_data);
        Stream* const stream =
            frame->hd.stream_id == 0 ? nullptr : stream_of(session, frame->hd.stream_id);
        switch (frame->hd.type) {
            case NGHTTP2_GOAWAY:
                SharedCallbacks::sent_goaway<Leg::guest>(bridge, *frame);
                break;
            case NGHTTP2_RST_STREAM:
                sent_reset(bridge, stream, frame->rst_stream.error_code);
                break;
            case NGHTTP2_HEADERS:
            case NGHTTP2_DATA:
                if (stream != nullptr && ends_stream(*frame)) {
                    sent_end(bridge, *stream);
                }
                break;
            default:
                break;
        }
        return 0;
    }

    static void sent_end(Bridge& bridge, Stream& stream) {
        stream.down.sent_end = true;
        // The answer is whole: what is left of the request is of no use (RFC 9113 §8.1).
        const bool useless = stream.phase == Stream::Phase::settled || stream.upstream_closed;
        if (useless && !stream.guest_ended) {
            bridge.reset_guest(stream, NGHTTP2_NO_ERROR);
        }
    }

    // A reset that nghttp2 decided on: the guest broke a rule of its stream. Making us reset is as
    // cheap for it as resetting.
    static void sent_reset(Bridge& bridge, const Stream* stream, uint32_t code) {
        if (stream != nullptr && stream->reset_by_us) {
            return;
        }
        if (!bridge.guest_.meter.take()) {
            bridge.flooded(Leg::guest, "streams that break the rules");
        } else if (code != NGHTTP2_REFUSED_STREAM) {
            bridge.gates_.violation(std::string("HTTP/2: a stream broke the rules: ") +
                                    nghttp2_http2_strerror(code));
        }
    }

    static int on_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int,
                           void* user_data) {
        Stream* const stream =
            frame->hd.type == NGHTTP2_HEADERS ? stream_of(session, frame->hd.stream_id) : nullptr;
        if (stream != nullptr && !stream->guest_closed) {
            bridge_of(user_data).break_off(*stream, NGHTTP2_INTERNAL_ERROR,
                                           "the answer's header list is too long");
        }
        return 0;
    }
};

struct UpstreamCallbacks {
    static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void*) {
        if (Stream* const stream = stream_of(session, frame->hd.stream_id)) {
            stream->down.block.begin();
        }
        return 0;
    }

    static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
        Bridge& bridge = bridge_of(user_data);
        switch (frame->hd.type) {
            case NGHTTP2_GOAWAY:
                bridge.upstream_.leaving = true;
                bridge.refuse_new_streams();
                return 0;
            case NGHTTP2_SETTINGS:
                if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
                    settings_came(bridge, session);
                }
                return 0;
            case NGHTTP2_HEADERS:
            case NGHTTP2_DATA:
                break;
            default:
                return 0;
        }
        Stream* const stream = stream_of(session, frame->hd.stream_id);
        if (stream == nullptr) {
            return 0;
        }
        const bool wanted = stream->phase == Stream::Phase::open && !stream->guest_closed;
        if (wanted && frame->hd.type == NGHTTP2_HEADERS && stream->down.block.has_status()) {
            bridge.answer_begins(*stream, ends_stream(*frame));
        }
        if (ends_stream(*frame)) {
            bridge.answer_ended(*stream);
        }
        return 0;
    }

    // WebSocket over HTTP/2 is offered to the guest once the upstream offers it (RFC 8441 §3).
    static void settings_came(Bridge& bridge, nghttp2_session* session) {
        bridge.upstream_settings_ = true;
        const bool offered = nghttp2_session_get_remote_settings(
                                 session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
        if (offered && !bridge.websocket_offered_ && !bridge.guest_.gone) {
            bridge.websocket_offered_ = true;
            const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
            nghttp2_submit_settings(bridge.guest(), NGHTTP2_FLAG_NONE, &entry, 1);
        }
    }

    static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                       size_t count, void* user_data) {
        if (Stream* const stream = stream_of(session, id)) {
            bridge_of(user_data).answer_bytes(*stream, text_of(bytes, count));
        } else {
            nghttp2_session_consume(session, id, count);
        }
        return 0;
    }

    static int on_close(nghttp2_session* session, int32_t id, uint32_t code, void* user_data) {
        if (Stream* const stream = stream_of(session, id)) {
            bridge_of(user_data).upstream_closed(*stream, code);
        }
        return 0;
    }

    static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
        if (frame->hd.type == NGHTTP2_GOAWAY) {
            SharedCallbacks::sent_goaway<Leg::upstream>(bridge_of(user_data), *frame);
            return 0;
        }
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
            return 0;
        }
        Stream* const stream = stream_of(session, frame->hd.stream_id);
        if (stream == nullptr) {
            return 0;
        }
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST &&
            !stream->gate_finished) {
            stream->gate->request_sent();
        }
        stream->up.sent_end = stream->up.sent_end || ends_stream(*frame);
        return 0;
    }

    // A request that could not be sent: nghttp2 knows no stream then, and closes none.
    static int on_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* user_data) {
        Bridge& bridge = bridge_of(user_data);
        if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
            return 0;
        }
        for (auto& [id, stream] : bridge.streams_) {
            if (stream->upstream_id == frame->hd.stream_id && !stream->upstream_closed) {
                bridge.upstream_closed(*stream, NGHTTP2_REFUSED_STREAM);
                break;
            }
        }
        return 0;
    }
};

const nghttp2_session_callbacks* guest_callbacks() {
    static const Callbacks callbacks = [] {
        nghttp2_session_callbacks* const table = SharedCallbacks::table<Leg::guest>();
        nghttp2_session_callbacks_set_on_begin_headers_callback(table,
                                                                GuestCallbacks::on_begin_headers);
        nghttp2_session_callbacks_set_on_frame_recv_callback(table, GuestCallbacks::on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, GuestCallbacks::on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(table, GuestCallbacks::on_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(table, GuestCallbacks::on_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(table,
                                                                 GuestCallbacks::on_not_sent);
        return Callbacks(table);
    }();
    return callbacks.get();
}

const nghttp2_session_callbacks* upstream_callbacks() {
    static const Callbacks callbacks = [] {
        nghttp2_session_callbacks* const table = SharedCallbacks::table<Leg::upstream>();
        nghttp2_session_callbacks_set_on_begin_headers_callback(
            table, UpstreamCallbacks::on_begin_headers);
        nghttp2_session_callbacks_set_on_frame_recv_callback(table, UpstreamCallbacks::on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table,
                                                                  UpstreamCallbacks::on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(table, UpstreamCallbacks::on_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(table, UpstreamCallbacks::on_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(table,
                                                                 UpstreamCallbacks::on_not_sent);
        return Callbacks(table);
    }();
    return callbacks.get();
}

nghttp2_data_provider request_provider(Stream& stream) {
    nghttp2_data_provider provider{};
    provider.source.ptr = &stream;
    provider.read_callback = SharedCallbacks::read_body<Leg::upstream>;
    return provider;
}

nghttp2_data_provider answer_provider(Stream& stream) {
    nghttp2_data_provider provider{};
    provider.source.ptr = &stream;
    provider.read_callback = SharedCallbacks::read_body<Leg::guest>;
    return provider;
}

}  // namespace anchorhold::proxy::http2
