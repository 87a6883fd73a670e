// The opening handshake, RFC 6455 §4 over HTTP/1.1 and RFC 8441 §5 over HTTP/2: checked on both
// sides, extensions taken out, so that the frames after it can be read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proxy/head.h"

namespace anchorhold::proxy::websocket {

// Which HTTP carries it.
enum class Carrier { http1, http2 };

// What the guest's request may open. Checks a head whose `protocol` is "websocket" (that Connection
// and Upgrade said so, or the extended CONNECT, is its relay's business): GET (http2: CONNECT), one
// Sec-WebSocket-Version of 13, one Sec-WebSocket-Key of 16 bytes (http1). Takes
// Sec-WebSocket-Extensions out of it. Gives the key (http2: empty); an error for a refusal, its
// message for the record.
Result<std::string> check_request(RequestHead& head, Carrier carrier);

// Checks the upstream's 101 (http2: 200) against the key: Sec-WebSocket-Accept, no extension,
// no subprotocol that was not offered. Connection and Upgrade are the relay's business.
Status check_answer(const RequestHead& request, const ResponseHead& answer, std::string_view key,
                    Carrier carrier);

// Sec-WebSocket-Accept for a key, RFC 6455 §4.2.2.
std::string accept_for(std::string_view key);

}  // namespace anchorhold::proxy::websocket
