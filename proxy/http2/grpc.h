// Denials for gRPC clients: a status in a trailers-only answer, as the gRPC over HTTP/2 protocol
// has it ("Responses").
#pragma once

#include <string>
#include <string_view>

#include "proxy/exchange.h"
#include "proxy/head.h"

namespace anchorhold::proxy::http2 {

// Whether Content-Type says gRPC ("application/grpc", "application/grpc+proto", …; not grpc-web).
bool is_grpc(const RequestHead& head);

// The same denial as gRPC sees it: HTTP status 200, grpc-status, grpc-message, no body. One that
// has a grpc-status already stays as it is.
Denial as_grpc(Denial denial);

// "Percent-Encoded" of the protocol: printable ASCII but for '%' as it is, all else %XX.
std::string percent_encode_message(std::string_view text);

}  // namespace anchorhold::proxy::http2
