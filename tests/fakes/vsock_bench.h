// A vsock device with a host behind it: streams that the guest opens come out as sockets that the
// test holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "guest_driver.h"
#include "virtio/vsock/backend.h"
#include "virtio/vsock/vsock_device.h"
#include "vsock_guest.h"

namespace anchorhold::fakes {

// Keeps the far ends of the streams it opens, by guest port. Port 1 is refused.
class HoldingBackend final : public virtio::StreamBackend {
  public:
    Result<OwnFd> open(uint32_t guest_port, uint32_t host_port) override;
    std::map<uint32_t, OwnFd> streams;
};

constexpr uint32_t kRefusedPort = 1;

struct VsockBench : Bench {
    explicit VsockBench(virtio::VsockLimits limits = {});

    // The guest connects from `guest_port` to `host_port` and has read the answer. False when it
    // was refused.
    bool guest_connects(uint32_t guest_port, uint32_t host_port = 2000,
                        uint32_t buffer_size = 64 * 1024);
    // The host connects to `guest_port`; the test's end of the stream.
    OwnFd host_connects(uint32_t guest_port);
    // Everything readable now.
    static std::string read_all(int fd);
    // True at end of file, also one that says that bytes of ours were never read.
    static bool at_end(int fd);
    static size_t write(int fd, std::string_view text);

    HoldingBackend backend;
    virtio::VsockDevice device;
    virtio::MmioTransport transport;
    GuestDriver driver;
    VsockGuest guest;
};

}  // namespace anchorhold::fakes
