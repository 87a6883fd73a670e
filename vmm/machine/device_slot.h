// One virtio device of the machine: its registers on the bus, its kicks and its interrupt as event
// descriptors.
#pragma once

#include <cstdint>
#include <memory>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "virtio/device.h"
#include "virtio/mmio_transport.h"
#include "vmm/boot/command_line.h"
#include "vmm/devices/bus.h"
#include "vmm/kvm/vm.h"

namespace anchorhold::vmm {

// How the guest's writes to QueueNotify reach the device.
enum class Kicks : uint8_t {
    kEventDescriptor,  // an ioeventfd: the vCPU goes on at once. Each costs the host a grace period
                       // at creation
    kExit,             // an MMIO exit: for queues that are seldom kicked
};

class DeviceSlot final : public BusDevice, private virtio::IrqLine {
  public:
    // What a slot serves; all of it outlives the slot.
    struct Parts {
        virtio::Device& device;
        const memory::GuestMemory& memory;
        EventLoop& loop;
        virtio::DeviceLock& lock;
    };
    static Result<std::unique_ptr<DeviceSlot>> create(const Parts& parts, DevicePlace place,
                                                      Kicks kicks);
    ~DeviceSlot() override;
    DeviceSlot(const DeviceSlot&) = delete;
    DeviceSlot& operator=(const DeviceSlot&) = delete;

    // Connects the slot with the machine's interrupt controller and bus.
    Status attach(const kvm::Vm& vm, Bus& registers);

    // Looks at every queue as if it had been kicked. On the loop's thread, DeviceLock not held.
    void process_queues();

    [[nodiscard]] DevicePlace place() const { return place_; }

    void read(uint64_t offset, std::span<std::byte> data) override {
        transport_.read(offset, data);
    }
    void write(uint64_t offset, std::span<const std::byte> data) override {
        transport_.write(offset, data);
    }

  private:
    DeviceSlot(const Parts& parts, DevicePlace place, OwnFd interrupt, OwnFd kick);
    void raise() override;

    DevicePlace place_;
    OwnFd interrupt_;  // irqfd
    OwnFd kick_;       // ioeventfd of all queues; empty with Kicks::kExit
    EventLoop& loop_;
    virtio::DeviceLock& lock_;
    virtio::MmioTransport transport_;
};

}  // namespace anchorhold::vmm
