// What a descriptor that came from another program really is.
#pragma once

namespace anchorhold {

// True for a SOCK_STREAM socket. Whoever passes descriptors may pass any of its own: what is not a
// stream is not touched.
[[nodiscard]] bool is_stream_socket(int fd);

}  // namespace anchorhold
