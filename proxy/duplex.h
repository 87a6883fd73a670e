// A byte stream of the window: a plain socket or a TLS session over one. Operations try at once and
// say when to wait, so that the common case costs no coroutine.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <span>

#include "base/result.h"

namespace anchorhold::proxy {

namespace asio = boost::asio;

struct IoResult {
    enum class Kind {
        bytes,       // `count` of them, at least one
        end,         // the peer finished its direction (TLS: close_notify, or end of file)
        want_read,   // nothing now; wait_readable() first
        want_write,  // nothing now; wait_writable() first
        failed,      // reset, or a TLS error; `why` is a static text
    };
    Kind kind = Kind::failed;
    size_t count = 0;
    const char* why = "";
};

// What a session may add to so much data that it is written at once.
constexpr size_t kBulkOverhead = 4096;

// Belongs to the thread of its io_context. At most one reader and one writer at a time.
class Duplex {
  public:
    virtual ~Duplex() = default;

    virtual IoResult try_read(std::span<std::byte> buffer) = 0;
    virtual IoResult try_write(std::span<const std::byte> bytes) = 0;
    // Writes all of it, of which at most `scratch.size() - kBulkOverhead` bytes are given;
    // `scratch` is used before anybody waits, not after, and so may `bytes` be the caller's
    // scratch.
    virtual asio::awaitable<Status> write_bulk(std::span<const std::byte> bytes,
                                               std::span<std::byte> scratch);
    // Return early, without an error, when the stream is cancelled: the next try says what is the
    // case.
    virtual asio::awaitable<void> wait_readable() = 0;
    virtual asio::awaitable<void> wait_writable() = 0;

    // Sends close_notify or the half-close, as far as it goes without waiting. Reading goes on.
    virtual void finish_writing() = 0;
    // Wakes everybody who waits; every later try fails.
    virtual void cancel() = 0;
    // Ends the connection so that the peer sees a reset rather than an orderly end, where the
    // socket can.
    virtual void reset() = 0;
};

// Some bytes, 0 at the end; an error for a failed stream.
asio::awaitable<Result<size_t>> read_some(Duplex& stream, std::span<std::byte> buffer);
asio::awaitable<Status> write_all(Duplex& stream, std::span<const std::byte> bytes);

}  // namespace anchorhold::proxy
