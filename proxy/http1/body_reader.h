// A message body cut out of a byte stream by its framing (RFC 9112 §§6, 7).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proxy/http1/head_parser.h"

namespace anchorhold::proxy::http1 {

// Feed it bytes; it hands out body bytes and knows the end. Chunk extensions of requests are
// refused, those of answers dropped.
class BodyReader {
  public:
    enum class From { guest, upstream };
    BodyReader(Framing framing, From from);

    // Consumes a prefix of `bytes` and appends the body bytes in it to `body`. Returns how many
    // bytes were consumed; those behind the body's end never are.
    Result<size_t> read(std::string_view bytes, std::string& body);
    // Takes `count` bytes of plain_left() that were passed on unseen.
    void pass(uint64_t count);
    // The stream ended. An error when the body is not whole.
    Status end_of_stream();

    [[nodiscard]] bool done() const { return state_ == State::done; }
    // After done(): the trailers that may be passed on.
    [[nodiscard]] Fields& trailers() { return trailers_; }
    // Body bytes that are known to come without any framing between them; 0: unknown.
    [[nodiscard]] uint64_t plain_left() const {
        return state_ == State::length || state_ == State::chunk_data ? left_ : 0;
    }

  private:
    enum class State { length, until_close, chunk_size, chunk_data, chunk_end, trailers, done };
    Status take_chunk_size(std::string_view line);

    From from_;
    State state_;
    uint64_t left_ = 0;
    std::string line_;  // a part of a size line or of the trailers
    Fields trailers_;
};

// "1a3\r\n"
std::string chunk_header(size_t size);

}  // namespace anchorhold::proxy::http1
