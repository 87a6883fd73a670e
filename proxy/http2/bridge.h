// Both sessions of a relay and the streams between them, without any reading, writing or waiting:
// bytes are given to it and taken from it.
//
//   receive(leg, bytes) -> next_to_admit(), admitted() -> produce(leg) … until finished()
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "proxy/http2/flood_meter.h"
#include "proxy/http2/gate.h"
#include "proxy/http2/relay.h"
#include "proxy/http2/session.h"
#include "proxy/http2/stream.h"

namespace anchorhold::proxy::http2 {

class Bridge {
  public:
    Bridge(RequestGates& gates, const Limits& limits, const Clock& clock);
    ~Bridge();
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

    // There is no upstream, and none will come: admitted requests are answered with this failure.
    // Call it first.
    void do_without_upstream(policy::Reason reason, std::string detail);

    // Bytes that came on a leg. Afterwards admissions may be due and both legs may have bytes to
    // send.
    void receive(Leg leg, std::span<const std::byte> bytes);
    // Appends what a leg has to send, some 64 KiB at a time; nothing when there is none.
    void produce(Leg leg, std::string& out);
    // No more comes on that leg and nothing more can be sent there. `why` is for the record.
    void gone(Leg leg, std::string_view why);

    // The next stream whose admission is due, or null. It stays until admitted() was called.
    Stream* next_to_admit();
    void admitted(Stream& stream, std::optional<Denial> denial);

    // That leg takes nothing more from the peer: reading it further is pointless.
    [[nodiscard]] bool over(Leg leg) const;
    // gone() was called for it.
    [[nodiscard]] bool lost(Leg leg) const { return side(leg).gone; }
    // Nothing is left to do but to flush; admissions may still run.
    [[nodiscard]] bool finished() const;
    // What broke it off, or empty.
    [[nodiscard]] const std::string& error() const { return error_; }

    [[nodiscard]] size_t buffered() const { return buffered_; }
    [[nodiscard]] size_t stream_count() const { return streams_.size(); }

  private:
    friend struct GuestCallbacks;
    friend struct UpstreamCallbacks;
    friend struct SharedCallbacks;

    struct Side {
        explicit Side(const Clock& clock);

        std::unique_ptr<Session> session;
        FloodMeter meter;
        size_t owed = 0;  // connection credit held back because too much is buffered
        bool gone = false;
        bool leaving = false;        // GOAWAY came from it
        std::string* out = nullptr;  // while produce() runs
        std::string breach;          // what nghttp2 last called invalid
    };

    struct Absence {
        policy::Reason reason;
        std::string detail;
    };

    Side& side(Leg leg) { return leg == Leg::guest ? guest_ : upstream_; }
    [[nodiscard]] const Side& side(Leg leg) const { return leg == Leg::guest ? guest_ : upstream_; }
    nghttp2_session* guest() { return guest_.session->get(); }
    nghttp2_session* upstream() { return upstream_.session->get(); }

    // bridge_request.cc: the guest's half of a stream.
    Stream* open_stream(int32_t guest_id);
    void request_begins(Stream& stream, bool ended);
    void request_bytes(Stream& stream, std::string_view bytes);
    void request_ended(Stream& stream);
    void ask_admission(Stream& stream);
    void start_ready();
    void submit_request(Stream& stream);
    bool forward_request(Stream& stream, std::string bytes);
    void end_request(Stream& stream);

    // bridge_answer.cc: the upstream's half.
    void answer_begins(Stream& stream, bool ended);
    void interim_answer(Stream& stream);
    void final_answer(Stream& stream, bool ended);
    bool upgrade(Stream& stream, const ResponseHead& head);
    void forward_early_frames(Stream& stream);
    bool end_answer(Stream& stream);
    void answer_bytes(Stream& stream, std::string_view bytes);
    void answer_ended(Stream& stream);
    void submit_answer(Stream& stream, const ResponseHead& head, std::optional<uint64_t> length);
    void refuse(Stream& stream, policy::Reason reason, std::string_view detail);
    void answer_denial(Stream& stream, Denial denial, std::string_view error);
    void close_websocket(Stream& stream, websocket::Failure& failure);

    // bridge.cc: ends and credit.
    void guest_closed(Stream& stream, uint32_t code);
    void upstream_closed(Stream& stream, uint32_t code);
    void break_off(Stream& stream, uint32_t guest_code, std::string_view error);
    void reset_guest(Stream& stream, uint32_t code);
    void reset_upstream(Stream& stream, uint32_t code);
    void drop_body(Stream& stream, Flow& flow);
    void settle_gate(Stream& stream, std::string_view error);
    void forget_if_done(Stream& stream);
    void sweep();
    void refuse_new_streams();
    void flooded(Leg leg, std::string_view what);
    void resume(Leg leg, Stream& stream);

    void queue(Flow& flow, std::string piece);
    void received(Leg leg, Flow& flow, size_t count);
    void credit_stream(Leg leg, Stream& stream, size_t taken);
    void consume_stream(Leg leg, Stream& stream, size_t count);
    void consume_connection(Leg leg, size_t count);
    void repay_connections();
    void grow_window(Stream& stream);

    RequestGates& gates_;
    Limits limits_;
    Side guest_;
    Side upstream_;
    std::map<int32_t, std::unique_ptr<Stream>> streams_;  // by guest id
    std::list<int32_t> to_admit_;
    std::list<int32_t> ready_;
    std::list<int32_t> done_;  // forgotten by the next sweep()
    uint32_t open_upstream_ = 0;
    size_t buffered_ = 0;   // of every queue, and of what waits
    size_t collected_ = 0;  // of every collected and captured body
    bool upstream_settings_ = false;
    bool websocket_offered_ = false;
    bool no_new_streams_ = false;
    bool failed_ = false;  // the guest's session was terminated for a breach
    std::string error_;
    std::optional<Absence> no_upstream_;
};

}  // namespace anchorhold::proxy::http2
