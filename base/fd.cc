// Closing a descriptor, once.
#include "base/fd.h"

#include <unistd.h>

#include <cerrno>

namespace anchorhold {

void OwnFd::reset(int fd) {
    if (fd_ >= 0) {
        const int saved = errno;
        ::close(fd_);  // Linux frees the number even when close() reports an error
        errno = saved;
    }
    fd_ = fd;
}

}  // namespace anchorhold
