// One queue of writable buffers, filled in place.
#include "virtio/rng/rng_device.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "virtio/queue_service.h"

namespace anchorhold::virtio {
namespace {

constexpr std::array<uint16_t, 1> kQueueSizes = {16};

// Fills as much as the host gives without waiting; its pool is initialised long before any guest
// runs.
size_t fill_random(std::span<std::byte> bytes) {
    size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t got =
            ::getrandom(bytes.data() + filled, bytes.size() - filled, GRND_NONBLOCK);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            break;
        }
        filled += static_cast<size_t>(got);
    }
    return filled;
}

}  // namespace

RngDevice::RngDevice(EventLoop& loop, DeviceLock& lock)
    : again_(loop, lock, [this] { process_queue(0); }) {}

std::span<const uint16_t> RngDevice::queue_sizes() const {
    return kQueueSizes;
}

void RngDevice::read_config(uint64_t, std::span<std::byte> out) const {
    copy_config({}, 0, out);
}
void RngDevice::write_config(uint64_t, std::span<const std::byte>) {}

void RngDevice::activate(const Activation& activation) {
    activation_ = activation;
    active_ = true;
}

void RngDevice::reset() {
    active_ = false;
}

void RngDevice::process_queue(size_t) {
    if (!active_) {
        return;
    }
    serve_queue(activation_, 0, chain_, again_, [this](const DescriptorChain& chain) {
        size_t given = 0;
        for (const auto segment : chain.writable) {
            const auto wanted = segment.first(std::min(segment.size(), kMaxEntropyRequest - given));
            const size_t filled = fill_random(wanted);
            given += filled;
            if (filled < segment.size()) {
                break;
            }
        }
        bytes_given_ += given;
        // §5.4.6.1: only writable buffers, of at least one byte.
        if (chain.writable_size == 0) {
            activation_.queues[0].stop("an entropy buffer has no room");
            return;
        }
        activation_.queues[0].add_used(chain.head, static_cast<uint32_t>(given));
    });
}

}  // namespace anchorhold::virtio
