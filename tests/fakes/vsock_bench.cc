// The host's side of vsock tests.
#include "vsock_bench.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/sys.h"

namespace anchorhold::fakes {

Result<OwnFd> HoldingBackend::open(uint32_t guest_port, uint32_t host_port) {
    if (host_port == kRefusedPort) {
        return fail("nobody serves port 1");
    }
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK));
    streams[guest_port] = std::move(theirs);
    return std::move(ours);
}

VsockBench::VsockBench(virtio::VsockLimits limits)
    : device(kTestCid, limits, backend, *loop, lock),
      transport(device, *memory, irq, *loop, lock),
      driver(*this, transport),
      guest(*this, driver) {}

bool VsockBench::guest_connects(uint32_t guest_port, uint32_t host_port, uint32_t buffer_size) {
    guest.send({.operation = virtio::Operation::kRequest,
                .guest_port = guest_port,
                .host_port = host_port,
                .buffer_size = buffer_size});
    const auto answer = guest.receive();
    return answer && answer->operation() == virtio::Operation::kResponse;
}

OwnFd VsockBench::host_connects(uint32_t guest_port) {
    auto pair = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    ANCHORHOLD_CHECK(pair.has_value());
    {
        const std::lock_guard guard(lock);
        ANCHORHOLD_CHECK(device.connect(guest_port, std::move(pair->first)).has_value());
    }
    settle();
    return std::move(pair->second);
}

std::string VsockBench::read_all(int fd) {
    std::string text;
    std::array<char, 65536> buffer{};
    while (true) {
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got <= 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<size_t>(got));
    }
}

bool VsockBench::at_end(int fd) {
    char byte = 0;
    const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

size_t VsockBench::write(int fd, std::string_view text) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
}

}  // namespace anchorhold::fakes
