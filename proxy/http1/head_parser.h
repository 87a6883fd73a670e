// HTTP/1.1 message heads, read strictly (RFC 9112 §§2–6): what two readers could understand in two
// ways is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "proxy/head.h"

namespace anchorhold::proxy::http1 {

constexpr size_t kMaxHead = size_t{64} << 10;
constexpr size_t kMaxFields = 200;

// How a body's end is known (RFC 9112 §6.3).
struct Framing {
    enum class Kind { none, length, chunked, until_close };
    Kind kind = Kind::none;
    uint64_t length = 0;
};

struct ParsedRequest {
    RequestHead head;
    Framing framing;
    bool keep_alive = true;
    bool expects_continue = false;  // RFC 9110 §10.1.1
    std::string upgrade;            // the one token of Upgrade, lower case; empty: none
};

struct ParsedResponse {
    ResponseHead head;
    std::string reason;
    Framing framing;
    bool keep_alive = true;
    std::string upgrade;
};

// The length of the head with its empty line, or nullopt while that has not arrived. An error: it
// is longer than kMaxHead.
Result<std::optional<size_t>> head_length(std::string_view bytes);

// `head` ends with the empty line. Refused: bare CR or LF, obs-fold, space before a colon, a name
// that is no token, control characters, HTTP versions other than 1.1, no or two Host fields,
// Content-Length that is not one number, Transfer-Encoding other than one "chunked", both of them.
Result<ParsedRequest> parse_request(std::string_view head);

// As above; HTTP/1.0 answers are accepted. `method` is the request's: it decides about the body.
Result<ParsedResponse> parse_response(std::string_view head, std::string_view method);

// Trailer fields up to and with the empty line; framing, routing and authentication fields are left
// out (RFC 9110 §6.5.1).
Result<Fields> parse_trailers(std::string_view section);

// True for a field that is never passed on as a trailer.
bool forbidden_trailer(std::string_view name);

}  // namespace anchorhold::proxy::http1
