// What a virtio device is to its transport, and what a transport gives a device. Devices know
// queues, not registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>

namespace anchorhold::virtio {

class Queue;

// One lock for every device and transport of a VM, owned by the VMM and handed in by reference.
// vCPU threads reach registers, the loop's thread reaches queues: whoever calls into a transport or
// a device holds it. Nothing in this layer takes it, except the handlers that a device itself put
// into the event loop. A disk's worker never takes it.
using DeviceLock = std::mutex;

// Feature bits of virtio 1.2 §6 that concern every device; the transport offers them.
constexpr uint64_t kFeatureIndirectDescriptors = uint64_t{1} << 28;  // VIRTIO_F_INDIRECT_DESC
constexpr uint64_t kFeatureEventIndex = uint64_t{1} << 29;           // VIRTIO_F_EVENT_IDX
constexpr uint64_t kFeatureVersion1 = uint64_t{1} << 32;             // VIRTIO_F_VERSION_1

// Device IDs, §5.
enum class DeviceType : uint32_t { kBlock = 2, kEntropy = 4, kBalloon = 5, kVsock = 19 };

// How a device reaches its driver. The transport implements it. Call under the DeviceLock.
class Interrupt {
  public:
    virtual ~Interrupt() = default;
    // Buffers of `queue` were used and the driver asked to hear of it (§2.3).
    virtual void signal_used(size_t queue) = 0;
    // The configuration space changed: a new generation and a configuration change notification
    // (§2.5).
    virtual void signal_config() = 0;
    // The driver broke the rules: sets DEVICE_NEEDS_RESET (§2.1.2) and stops every queue. `reason`
    // is for the log.
    virtual void fail_device(std::string_view reason) = 0;
};

// What a device works with from DRIVER_OK to reset.
struct Activation {
    uint64_t features = 0;  // negotiated
    std::span<Queue>
        queues;  // in the device's order; one the driver did not set up is not active()
    Interrupt* interrupt = nullptr;
};

// A virtio device. Single-threaded under the DeviceLock. activate() and reset() may run on a vCPU's
// thread, process_queue() runs on the event loop's thread.
class Device {
  public:
    virtual ~Device() = default;

    [[nodiscard]] virtual DeviceType type() const = 0;
    // Device-specific feature bits offered (0 to 23); the transport adds its own.
    [[nodiscard]] virtual uint64_t features() const = 0;
    // The largest size of each queue, a power of two.
    [[nodiscard]] virtual std::span<const uint16_t> queue_sizes() const = 0;

    // Device configuration space (§2.5). Bytes past its end read as zero; writes there are dropped.
    virtual void read_config(uint64_t offset, std::span<std::byte> out) const = 0;
    virtual void write_config(uint64_t offset, std::span<const std::byte> bytes) = 0;

    // The driver set DRIVER_OK. `activation` stays valid until reset().
    virtual void activate(const Activation& activation) = 0;
    // The driver wrote 0 to Status, or the device failed: touches no queue and no guest byte after
    // returning. Also called when it was never activated.
    virtual void reset() = 0;
    // The driver kicked queue `index` (maybe spuriously). Only called between activate() and
    // reset().
    virtual void process_queue(size_t index) = 0;
};

// Copies config[offset, …) to `out` and fills what is past the end with zeros.
void copy_config(std::span<const std::byte> config, uint64_t offset, std::span<std::byte> out);

}  // namespace anchorhold::virtio
