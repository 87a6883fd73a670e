// What both halves share: bytes in and out, credit, and the many ways a stream ends.
#include "proxy/http2/bridge.h"

#include <algorithm>

#include "proxy/http2/callbacks.h"

namespace anchorhold::proxy::http2 {
namespace {

constexpr uint32_t kFrameBurst = 2000;
constexpr uint32_t kFramesPerSecond = 200;
constexpr size_t kBatch = size_t{64} << 10;
// Frames that wait to be sent to a peer who does not read: answers to what it sent, beyond those to
// its streams.
constexpr size_t kMaxUnsentFrames = 4000;

// An error code as it goes on to the other leg; `otherwise` for one that says nothing there.
uint32_t mapped(uint32_t code, uint32_t otherwise) {
    return code == NGHTTP2_NO_ERROR || code > NGHTTP2_HTTP_1_1_REQUIRED ? otherwise : code;
}

}  // namespace

Bridge::Side::Side(const Clock& clock) : meter(clock, kFrameBurst, kFramesPerSecond) {}

Bridge::Bridge(RequestGates& gates, const Limits& limits, const Clock& clock)
    : gates_(gates), limits_(limits), guest_(clock), upstream_(clock) {
    guest_.session = std::make_unique<Session>(Leg::guest, guest_callbacks(), this, limits_);
    upstream_.session =
        std::make_unique<Session>(Leg::upstream, upstream_callbacks(), this, limits_);
}

Bridge::~Bridge() = default;

void Bridge::do_without_upstream(policy::Reason reason, std::string detail) {
    no_upstream_ = {reason, std::move(detail)};
    upstream_.gone = true;
}

void Bridge::receive(Leg leg, std::span<const std::byte> bytes) {
    Side& from = side(leg);
    if (from.gone) {
        return;
    }
    nghttp2_session* const session = from.session->get();
    const ssize_t taken = nghttp2_session_mem_recv(
        session, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) {
        const char* const why = nghttp2_strerror(static_cast<int>(taken));
        if (leg == Leg::guest) {
            gates_.violation(why);
        }
        error_ = leg == Leg::guest ? "HTTP/2: the guest: " : "HTTP/2: the upstream: ";
        error_ += why;
        gone(leg, error_);
    } else if (nghttp2_session_get_outbound_queue_size(session) >
               kMaxUnsentFrames + 4 * limits_.streams) {
        flooded(leg, "it sends and does not read");
    }
    start_ready();
    sweep();
}

void Bridge::produce(Leg leg, std::string& out) {
    Side& to = side(leg);
    ssize_t count = 1;
    to.out = &out;
    while (!to.gone && count > 0 && out.size() < kBatch) {
        const uint8_t* bytes = nullptr;
        count = nghttp2_session_mem_send(to.session->get(), &bytes);
        if (count > 0) {
            out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
        }
    }
    to.out = nullptr;
    if (count < 0) {
        gone(leg, nghttp2_strerror(static_cast<int>(count)));
    }
    start_ready();
    sweep();
}

void Bridge::gone(Leg leg, std::string_view why) {
    Side& lost = side(leg);
    if (lost.gone) {
        return;
    }
    lost.gone = true;
    for (auto& [id, stream] : streams_) {
        if (leg == Leg::guest) {
            if (!stream->guest_closed) {
                guest_closed(*stream, NGHTTP2_CANCEL);
            }
            continue;
        }
        const bool sent = stream->upstream_id != 0 && !stream->upstream_closed;
        if (!sent) {
            continue;
        }
        stream->upstream_closed = true;
        if (stream->phase == Stream::Phase::open && !stream->upstream_ended && !stream->answering) {
            refuse(*stream, policy::Reason::unreachable, why);
        } else if (stream->phase == Stream::Phase::open && !stream->upstream_ended) {
            break_off(*stream, NGHTTP2_INTERNAL_ERROR, why);
        }
        forget_if_done(*stream);
    }
    if (leg == Leg::guest) {
        nghttp2_submit_goaway(upstream(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    } else {
        open_upstream_ = 0;
        refuse_new_streams();
        start_ready();
    }
    sweep();
}

bool Bridge::over(Leg leg) const {
    const Side& of = side(leg);
    return of.gone || (nghttp2_session_want_read(of.session->get()) == 0 &&
                       nghttp2_session_want_write(of.session->get()) == 0);
}

bool Bridge::finished() const {
    if (guest_.gone) {
        return true;
    }
    const bool ending = guest_.leaving || (upstream_.gone && !no_upstream_) || upstream_.leaving ||
                        no_new_streams_ || failed_;
    return ending && streams_.empty() && nghttp2_session_want_write(guest_.session->get()) == 0;
}

// No stream of the guest's beyond those that are known is served; it may try them elsewhere.
void Bridge::refuse_new_streams() {
    if (!no_new_streams_ && !guest_.gone) {
        no_new_streams_ = true;
        nghttp2_submit_goaway(guest(), NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(guest()), NGHTTP2_NO_ERROR,
                              nullptr, 0);
    }
}

void Bridge::flooded(Leg leg, std::string_view what) {
    Side& from = side(leg);
    if (from.gone || (leg == Leg::guest && failed_)) {
        return;
    }
    error_ = leg == Leg::guest ? "HTTP/2: flood by the guest: " : "HTTP/2: flood by the upstream: ";
    error_ += what;
    nghttp2_session_terminate_session(from.session->get(), NGHTTP2_ENHANCE_YOUR_CALM);
    if (leg == Leg::guest) {
        failed_ = true;
        gates_.violation(error_);
    }
}

// --- ends ------------------------------------------------------------------------------------

void Bridge::guest_closed(Stream& stream, uint32_t code) {
    stream.guest_closed = true;
    const bool answered = stream.down.sent_end;
    if (stream.cancel_admission) {
        stream.cancel_admission();
    }
    drop_body(stream, stream.down);
    // An upstream that answered early may still want the rest of what the guest has sent.
    const bool upload_goes_on =
        answered && stream.up.ended && stream.phase == Stream::Phase::open && !guest_.gone;
    if (!upload_goes_on) {
        stream.phase = Stream::Phase::settled;
        drop_body(stream, stream.up);
        reset_upstream(stream, mapped(code, NGHTTP2_CANCEL));
    }
    if (!stream.admission_running) {
        settle_gate(stream, answered ? std::string()
                                     : std::string("the guest's stream ended early: ") +
                                           nghttp2_http2_strerror(code));
    }
    forget_if_done(stream);
}

void Bridge::upstream_closed(Stream& stream, uint32_t code) {
    stream.upstream_closed = true;
    --open_upstream_;
    drop_body(stream, stream.up);
    if (stream.phase == Stream::Phase::open && !stream.guest_closed) {
        if (!stream.upstream_ended) {
            break_off(
                stream, mapped(code, NGHTTP2_INTERNAL_ERROR),
                std::string("the upstream reset the stream: ") + nghttp2_http2_strerror(code));
        } else if (stream.down.sent_end && !stream.guest_ended) {
            reset_guest(stream, NGHTTP2_NO_ERROR);
        }
    }
    forget_if_done(stream);
}

void Bridge::break_off(Stream& stream, uint32_t guest_code, std::string_view error) {
    stream.phase = Stream::Phase::settled;
    settle_gate(stream, error);
    drop_body(stream, stream.up);
    drop_body(stream, stream.down);
    reset_upstream(stream, NGHTTP2_CANCEL);
    reset_guest(stream, guest_code);
    forget_if_done(stream);
}

void Bridge::reset_guest(Stream& stream, uint32_t code) {
    if (!stream.guest_closed && !guest_.gone) {
        stream.reset_by_us = true;
        nghttp2_submit_rst_stream(guest(), NGHTTP2_FLAG_NONE, stream.guest_id, code);
    }
}

void Bridge::reset_upstream(Stream& stream, uint32_t code) {
    if (stream.upstream_id != 0 && !stream.upstream_closed && !upstream_.gone) {
        nghttp2_submit_rst_stream(upstream(), NGHTTP2_FLAG_NONE, stream.upstream_id, code);
    }
}

void Bridge::drop_body(Stream& stream, Flow& flow) {
    buffered_ -= flow.queue.size();
    flow.queue.clear();
    if (&flow == &stream.up) {
        buffered_ -= stream.waiting.size();
        std::string().swap(stream.waiting);
        collected_ -= std::exchange(stream.collected_counted, 0);
        // The gate may still be looking at it.
        if (!stream.admission_running) {
            std::string().swap(stream.collected);
        }
        credit_stream(Leg::guest, stream, 0);
    } else {
        collected_ -= std::exchange(stream.captured_counted, 0);
        std::string().swap(stream.captured);
        credit_stream(Leg::upstream, stream, 0);
    }
    repay_connections();
}

void Bridge::settle_gate(Stream& stream, std::string_view error) {
    if (stream.gate != nullptr && !stream.gate_finished) {
        stream.gate_finished = true;
        stream.gate->finish(error);
    }
}

void Bridge::forget_if_done(Stream& stream) {
    if (stream.guest_closed && !stream.admission_running &&
        (stream.upstream_id == 0 || stream.upstream_closed || upstream_.gone)) {
        done_.push_back(stream.guest_id);
    }
}

void Bridge::sweep() {
    for (const int32_t id : done_) {
        streams_.erase(id);
    }
    done_.clear();
}

// --- credit ----------------------------------------------------------------------------------

void Bridge::queue(Flow& flow, std::string piece) {
    buffered_ += piece.size();
    flow.queue.append(std::move(piece));
}

// The connection's credit goes back at once, so that one slow stream does not hold up the others,
// until too much is buffered.
void Bridge::received(Leg leg, Flow& flow, size_t count) {
    flow.uncredited += static_cast<uint32_t>(count);
    consume_connection(leg, count);
}

void Bridge::consume_connection(Leg leg, size_t count) {
    Side& from = side(leg);
    if (from.gone) {
        return;
    }
    if (buffered_ > limits_.buffered) {
        from.owed += count;
    } else {
        nghttp2_session_consume_connection(from.session->get(), count);
    }
}

void Bridge::repay_connections() {
    for (const Leg leg : {Leg::guest, Leg::upstream}) {
        Side& from = side(leg);
        if (from.owed != 0 && buffered_ <= limits_.buffered) {
            consume_connection(leg, std::exchange(from.owed, 0));
        }
    }
}

// The stream's credit goes back as the other leg takes what came; all of it once nothing is queued,
// whatever the gate added, removed or holds back.
void Bridge::credit_stream(Leg leg, Stream& stream, size_t taken) {
    Flow& flow = leg == Leg::guest ? stream.up : stream.down;
    const bool queued = !flow.queue.empty() || (leg == Leg::guest && !stream.waiting.empty());
    const size_t count = queued ? std::min<size_t>(flow.uncredited, taken) : flow.uncredited;
    flow.uncredited -= static_cast<uint32_t>(count);
    consume_stream(leg, stream, count);
    if (leg == Leg::upstream) {
        flow.since_growth += count;
        if (!queued) {
            grow_window(stream);
        }
    }
}

void Bridge::consume_stream(Leg leg, Stream& stream, size_t count) {
    const bool closed =
        leg == Leg::guest ? stream.guest_closed : stream.upstream_closed || stream.upstream_id == 0;
    if (count != 0 && !closed && !side(leg).gone) {
        nghttp2_session_consume_stream(side(leg).session->get(),
                                       leg == Leg::guest ? stream.guest_id : stream.upstream_id,
                                       count);
    }
}

void Bridge::grow_window(Stream& stream) {
    Flow& flow = stream.down;
    if (flow.window == 0 || flow.window >= limits_.fast_stream_window || stream.upstream_ended ||
        stream.upstream_closed || upstream_.gone || flow.since_growth < 2 * uint64_t{flow.window} ||
        buffered_ > limits_.buffered / 2) {
        return;
    }
    flow.since_growth = 0;
    flow.window = std::min(2 * flow.window, limits_.fast_stream_window);
    nghttp2_session_set_local_window_size(upstream(), NGHTTP2_FLAG_NONE, stream.upstream_id,
                                          static_cast<int32_t>(flow.window));
}

void Bridge::resume(Leg leg, Stream& stream) {
    const Flow& flow = leg == Leg::guest ? stream.down : stream.up;
    if (flow.submitted && !side(leg).gone) {
        // An error means that it was not deferred, or is closed: there is nothing to resume.
        nghttp2_session_resume_data(side(leg).session->get(),
                                    leg == Leg::guest ? stream.guest_id : stream.upstream_id);
    }
}

}  // namespace anchorhold::proxy::http2
