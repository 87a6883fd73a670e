// One question to the kernel.
#include "base/socket_type.h"

#include <sys/socket.h>

namespace anchorhold {

bool is_stream_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace anchorhold
