// Asking a relay, blocking.
#pragma once

#include "base/result.h"
#include "machine/runtime_folder.h"
#include "proto/machine.pb.h"

namespace anchorhold::machine {

// A connection to a relay's control socket.
class ControlClient {
  public:
    // The error's code is ENOENT or ECONNREFUSED where no relay listens.
    static Result<ControlClient> connect(const MachineFolder& folder);

    // One request, one answer; waits as long as the relay does. The error's code is ECONNRESET when
    // the relay left instead.
    [[nodiscard]] Result<proto::RelayStatus> ask(const proto::RelayRequest& request) const;

    // Sends a request and does not wait for its answer.
    void post(const proto::RelayRequest& request) const;

    // Waits until the relay has closed the connection, as its end does.
    void wait_gone() const;

  private:
    explicit ControlClient(OwnFd socket) : socket_(std::move(socket)) {}

    OwnFd socket_;
};

}  // namespace anchorhold::machine
