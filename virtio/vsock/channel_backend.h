// Hands the host's end of every stream a guest opens to whoever serves its port, as a packet with
// one descriptor.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "virtio/vsock/backend.h"

namespace anchorhold::virtio {

// One socketpair per stream; the far end goes out with a proto::GuestStream. Opens nothing and
// connects nothing.
class ChannelBackend final : public StreamBackend {
  public:
    // Streams to any of `ports` go to `channel`, a connected SOCK_SEQPACKET socket. It is made
    // non-blocking: a channel that is full, gone, or out of descriptors costs that one connection.
    // A port given twice goes to the later channel.
    Status add_channel(OwnFd channel, std::span<const uint32_t> ports);

    Result<OwnFd> open(uint32_t guest_port, uint32_t host_port) override;

  private:
    std::vector<OwnFd> channels_;
    std::unordered_map<uint32_t, size_t> channel_of_port_;
};

}  // namespace anchorhold::virtio
