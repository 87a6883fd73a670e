// AF_UNIX sockets with a path of any length, and who is at the other end.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold {

// A nonblocking listener that only its user may connect to (mode 0600). What had the name before is
// replaced if it was a socket. `type` is SOCK_STREAM or SOCK_SEQPACKET.
[[nodiscard]] Result<OwnFd> listen_unix(const std::string& path, int type);

// A blocking connection. The error's code is ENOENT or ECONNREFUSED where nobody listens.
[[nodiscard]] Result<OwnFd> connect_unix(const std::string& path, int type);

// The effective user of the process that connected or listened (SO_PEERCRED).
[[nodiscard]] Result<uid_t> peer_user(int socket);

}  // namespace anchorhold
