// The registers of one virtio device: virtio over MMIO, version 2 (virtio 1.2 §4.2.2), and the
// status state machine (§3.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "memory/guest_memory.h"
#include "virtio/deferred_call.h"
#include "virtio/device.h"
#include "virtio/queue.h"

namespace anchorhold::virtio {

// The device's interrupt: edge-triggered. The VMM writes an irqfd; tests count.
class IrqLine {
  public:
    virtual ~IrqLine() = default;
    virtual void raise() = 0;
};

// Register offsets, §4.2.2.
constexpr uint64_t kRegisterSpace = 0x100;  // registers below, device configuration space from here
constexpr uint64_t kQueueNotifyRegister = 0x50;  // for ioeventfds: 4 bytes, datamatch = queue index
constexpr uint64_t kMmioWindowSize = 0x1000;     // bytes of guest-physical space a device takes

// Device status bits, §2.1.
constexpr uint32_t kStatusAcknowledge = 1;
constexpr uint32_t kStatusDriver = 2;
constexpr uint32_t kStatusDriverOk = 4;
constexpr uint32_t kStatusFeaturesOk = 8;
constexpr uint32_t kStatusNeedsReset = 64;
constexpr uint32_t kStatusFailed = 128;

// What survives a snapshot, beside the device's own state.
struct MmioTransportState {
    uint64_t driver_features = 0;
    uint32_t device_features_select = 0;
    uint32_t driver_features_select = 0;
    uint32_t queue_select = 0;
    uint32_t status = 0;
    uint32_t interrupt_status = 0;
    uint32_t config_generation = 0;
    std::vector<QueueState> queues;
};

// Everything the guest writes is answered or dropped; nothing it writes ends the VMM. Callers hold
// the DeviceLock, which is also the one given here (a QueueNotify that no ioeventfd caught is
// posted to the loop and takes it there).
class MmioTransport final : public Interrupt {
  public:
    // References outlive the transport.
    MmioTransport(Device& device, const memory::GuestMemory& memory, IrqLine& irq, EventLoop& loop,
                  DeviceLock& lock);
    ~MmioTransport() override = default;
    MmioTransport(const MmioTransport&) = delete;
    MmioTransport& operator=(const MmioTransport&) = delete;

    // An access at `offset` into the device's window. Registers: aligned and 4 bytes, else reads
    // are zero and writes are dropped. Configuration space: 1, 2, 4 or 8 bytes.
    void read(uint64_t offset, std::span<std::byte> out);
    void write(uint64_t offset, std::span<const std::byte> bytes);

    // The queue's ioeventfd fired. On the loop's thread, DeviceLock held. Ignored when the queue is
    // not active.
    void process_queue(size_t index);
    [[nodiscard]] size_t queue_count() const { return queues_.size(); }

    [[nodiscard]] const Device& device() const { return device_; }
    [[nodiscard]] uint32_t status() const { return status_; }
    [[nodiscard]] uint32_t interrupt_status() const { return interrupt_status_; }
    // Accesses of a wrong width, alignment or place, dropped since the start.
    [[nodiscard]] uint64_t refused_accesses() const { return refused_accesses_; }

    // How often the driver broke the rules and the device stopped.
    [[nodiscard]] uint64_t faults() const { return faults_; }

    // Interrupt, for the device.
    void signal_used(size_t queue) override;
    void signal_config() override;
    void fail_device(std::string_view reason) override;

    [[nodiscard]] MmioTransportState save() const;
    // Into a freshly made transport. An error when the state does not fit this device; then use it
    // no more. Activates the device if it was; the caller then restores the device's state, calls
    // reraise(), and processes every queue once.
    Status restore(const MmioTransportState& state);
    // Raises the interrupt again if one is not yet acknowledged: an edge may have been lost in
    // between.
    void reraise();

  private:
    [[nodiscard]] uint32_t read_register(uint64_t offset) const;
    void write_register(uint64_t offset, uint32_t value);
    void write_queue_register(uint64_t offset, uint32_t value);
    void write_status(uint32_t value);
    void notify(uint32_t index);
    bool activate();
    void reset();
    [[nodiscard]] uint64_t offered_features() const;
    [[nodiscard]] bool has_status(uint32_t bits) const { return (status_ & bits) == bits; }

    Device& device_;
    const memory::GuestMemory& memory_;
    IrqLine& irq_;
    std::vector<Queue> queues_;
    uint32_t kicked_ = 0;  // a bit per queue whose kick is yet to be served
    DeferredCall serve_kicked_;

    uint64_t driver_features_ = 0;
    uint32_t device_features_select_ = 0;
    uint32_t driver_features_select_ = 0;
    uint32_t queue_select_ = 0;
    uint32_t status_ = 0;
    uint32_t interrupt_status_ = 0;
    uint32_t config_generation_ = 0;
    bool active_ = false;
    uint64_t refused_accesses_ = 0;
    uint64_t faults_ = 0;
};

}  // namespace anchorhold::virtio
