// HTTP/1.1 message heads as bytes (RFC 9112 §§3, 4, 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/exchange.h"
#include "proxy/http1/head_parser.h"

namespace anchorhold::proxy::http1 {

// The request as it goes upstream. `framing` is the body's; an upgrade names its protocol.
void append_request(std::string& out, const RequestHead& head, const Framing& framing,
                    bool expects_continue);

// `reason` is the upstream's phrase. Kind::until_close is written as chunked: the guest's
// connection stays usable.
void append_response(std::string& out, unsigned status, std::string_view reason,
                     const Fields& fields, const Framing& framing, bool keep_alive,
                     std::string_view upgrade = {});

void append_denial(std::string& out, const Denial& denial, bool with_body, bool keep_alive);

// Name and value lines only.
void append_fields(std::string& out, const Fields& fields);

}  // namespace anchorhold::proxy::http1
