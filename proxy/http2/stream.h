// One guest stream and its upstream stream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proxy/http2/byte_queue.h"
#include "proxy/http2/fields.h"
#include "proxy/http2/gate.h"
#include "proxy/websocket/frame_pipe.h"

namespace anchorhold::proxy::http2 {

// One direction's body on its way from the leg it came on to the other.
struct Flow {
    ByteQueue queue;          // checked, ready to be sent
    uint32_t uncredited = 0;  // bytes received whose stream credit was not given back
    bool submitted = false;   // the sending leg has a data provider for it
    bool ended = false;       // nothing more will be queued
    bool sent_end = false;    // END_STREAM went out
    Fields trailers;          // to send after the queue
    HeadBlock block;          // the head or trailers that come in

    // For growing the window of a stream whose reader keeps up.
    uint32_t window = 0;
    uint64_t since_growth = 0;
};

struct Upgrade {
    websocket::FramePipe to_upstream;
    websocket::FramePipe to_guest;
};

struct Stream {
    enum class Phase {
        head,        // its header block comes in
        collecting,  // body for admission
        admitting,   // the gate decides
        ready,       // admitted, waits for an upstream stream
        open,        // sent upstream
        settled,     // answered by the window itself, or broken off: what still comes is dropped
    };

    int32_t guest_id = 0;
    int32_t upstream_id = 0;  // 0: none was opened
    Phase phase = Phase::head;
    std::unique_ptr<RequestGate> gate;
    bool gate_finished = false;
    // Set by the relay while the gate decides.
    std::function<void()> cancel_admission;
    bool admission_running = false;

    bool head_request = false;
    bool grpc = false;
    bool te_trailers = false;
    bool websocket = false;
    bool whole = false;        // `collected` is the whole body
    bool reset_by_us = false;  // RST_STREAM to the guest was ours, not nghttp2's
    bool continued = false;    // 100 was sent by the window itself
    std::optional<uint64_t> length;
    std::string collected;  // request body for admission, afterwards what is sent first
    size_t collected_counted = 0;
    std::string waiting;  // body that came while nothing could be done with it

    Flow up;
    Flow down;
    bool guest_ended = false;     // END_STREAM from the guest
    bool guest_closed = false;    // nghttp2 closed its stream
    bool upstream_ended = false;  // END_STREAM from the upstream
    bool upstream_closed = false;

    unsigned interim = 0;              // 1xx answers passed
    bool answering = false;            // a final head was given to the guest
    std::optional<ResponseHead> held;  // an answer that is collected first
    std::optional<uint64_t> held_length;
    std::string captured;  // its body
    size_t captured_counted = 0;
    std::unique_ptr<Upgrade> upgrade;
};

}  // namespace anchorhold::proxy::http2
