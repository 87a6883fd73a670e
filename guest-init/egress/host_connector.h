// The one way out of the guest: streams to ports of the host.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

class HostConnector {
  public:
    virtual ~HostConnector() = default;

    // A nonblocking stream on its way to the host's `port`. It is connected once it is writable and
    // SO_ERROR is 0; any other SO_ERROR means that the host refused.
    [[nodiscard]] virtual Result<OwnFd> connect(uint32_t port) = 0;
};

// vsock(7) to CID 2.
class VsockConnector final : public HostConnector {
  public:
    [[nodiscard]] Result<OwnFd> connect(uint32_t port) override;
};

}  // namespace anchorhold::guest_init
