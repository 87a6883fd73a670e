// What nghttp2 tells a Bridge, one table per leg.
#pragma once

#include <nghttp2/nghttp2.h>

#include "proxy/http2/stream.h"

namespace anchorhold::proxy::http2 {

// Made once. The user data of a session is its Bridge, that of a stream its Stream.
const nghttp2_session_callbacks* guest_callbacks();
const nghttp2_session_callbacks* upstream_callbacks();

// The bodies of what is submitted on the upstream and on the guest leg.
nghttp2_data_provider request_provider(Stream& stream);
nghttp2_data_provider answer_provider(Stream& stream);

}  // namespace anchorhold::proxy::http2
