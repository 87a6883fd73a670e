// Where the streams go that a guest opens: the host's side of the vsock device.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::virtio {

// Called under the DeviceLock, on the loop's thread.
class StreamBackend {
  public:
    virtual ~StreamBackend() = default;
    // The guest connects from `guest_port` to the host's `host_port`. Our end of a connected,
    // non-blocking SOCK_STREAM socket; or an error, and the guest's connection is reset.
    virtual Result<OwnFd> open(uint32_t guest_port, uint32_t host_port) = 0;
};

}  // namespace anchorhold::virtio
