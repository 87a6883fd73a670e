// A socketpair per stream, its far end sent away at once.
#include "virtio/vsock/channel_backend.h"

#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::virtio {

Status ChannelBackend::add_channel(OwnFd channel, std::span<const uint32_t> ports) {
    ANCHORHOLD_TRY(sys::set_nonblocking(channel.get()));
    for (const uint32_t port : ports) {
        channel_of_port_[port] = channels_.size();
    }
    channels_.push_back(std::move(channel));
    return {};
}

Result<OwnFd> ChannelBackend::open(uint32_t guest_port, uint32_t host_port) {
    const auto channel = channel_of_port_.find(host_port);
    if (channel == channel_of_port_.end()) {
        return fail("no channel serves host port " + std::to_string(host_port));
    }
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM));
    ANCHORHOLD_TRY(sys::set_nonblocking(ours.get()));
    proto::GuestStream message;
    message.set_guest_port(guest_port);
    message.set_host_port(host_port);
    const std::array<int, 1> descriptors = {theirs.get()};
    ANCHORHOLD_TRY(
        send_packet(channels_[channel->second].get(), message.SerializeAsString(), descriptors));
    return std::move(ours);
}

}  // namespace anchorhold::virtio
