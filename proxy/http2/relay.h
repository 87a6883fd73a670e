// One guest connection that speaks HTTP/2 and its one upstream connection, which does too: streams
// are passed one to one, nothing is translated (RFC 9113).
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "proxy/duplex.h"
#include "proxy/http2/gate.h"

namespace anchorhold::proxy::http2 {

// What one pair of connections may hold. Beyond a stream's share its sender gets no more credit;
// beyond a connection's, nobody does until something was passed on.
struct Limits {
    uint32_t streams = 1000;                    // of the guest, at once
    uint32_t stream_window = 64 * 1024;         // bytes a sender may be ahead on one stream
    uint32_t fast_stream_window = 1024 * 1024;  // for answers whose reader keeps up
    size_t buffered = size_t{8} << 20;          // both directions' queues together
    size_t collected = size_t{16} << 20;        // bodies collected for admission or capture
    size_t head = size_t{64} << 10;             // header list, RFC 9113 §6.5.2 counting
};

// Serves until either connection ends and its streams are settled; both have been told to finish
// then (GOAWAY, close_notify). An error says what broke it off: a guest's flood, the upstream's
// protocol error. The caller keeps the streams and `gates` alive until it returns; cancelling
// either stream ends it soon.
asio::awaitable<Status> relay_http2(Duplex& guest, Duplex& upstream, RequestGates& gates,
                                    Limits limits = {});

// The same where there is no upstream to speak to: what the gates admit is answered with their
// failed(reason, detail).
asio::awaitable<Status> answer_http2(Duplex& guest, RequestGates& gates, policy::Reason reason,
                                     std::string detail, Limits limits = {});

}  // namespace anchorhold::proxy::http2
