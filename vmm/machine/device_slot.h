// One virtio device of the machine: its registers on the bus, its kicks and its interrupt as event
// descriptors.
#pragma once

#include <cstdint>
#include <memory>

#include "base/event_loop.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "virtio/device.h"
#include "virtio/mmio_transport.h"
#include "vmm/devices/bus.h"
#include "vmm/machine/device_wires.h"

namespace anchorhold::vmm {

class DeviceSlot final : public BusDevice, private virtio::IrqLine {
  public:
    // What a slot serves; all of it outlives the slot.
    struct Parts {
        virtio::Device& device;
        const memory::GuestMemory& memory;
        EventLoop& loop;
        virtio::DeviceLock& lock;
        Bus& registers;
    };
    // Takes the wires, which KVM knows, and puts the registers on the bus.
    static Result<std::unique_ptr<DeviceSlot>> create(const Parts& parts, DeviceWires wires);
    ~DeviceSlot() override;
    DeviceSlot(const DeviceSlot&) = delete;
    DeviceSlot& operator=(const DeviceSlot&) = delete;

    // Looks at every queue as if it had been kicked. On the loop's thread, DeviceLock not held.
    void process_queues();

    [[nodiscard]] DevicePlace place() const { return wires_.place; }

    // Under the DeviceLock.
    [[nodiscard]] virtio::MmioTransport& transport() { return transport_; }
    [[nodiscard]] const virtio::MmioTransport& transport() const { return transport_; }

    void read(uint64_t offset, std::span<std::byte> data) override {
        transport_.read(offset, data);
    }
    void write(uint64_t offset, std::span<const std::byte> data) override {
        transport_.write(offset, data);
    }

  private:
    DeviceSlot(const Parts& parts, DeviceWires wires);
    void raise() override;

    DeviceWires wires_;
    EventLoop& loop_;
    virtio::DeviceLock& lock_;
    virtio::MmioTransport transport_;
};

}  // namespace anchorhold::vmm
