// Event descriptors on both sides of the transport.
#include "vmm/machine/device_slot.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <mutex>
#include <utility>

#include "vmm/layout.h"

namespace anchorhold::vmm {

static_assert(layout::kDeviceSize == virtio::kMmioWindowSize);

Result<std::unique_ptr<DeviceSlot>> DeviceSlot::create(const Parts& parts, DeviceWires wires) {
    std::unique_ptr<DeviceSlot> slot(new DeviceSlot(parts, std::move(wires)));
    if (slot->wires_.kick.valid()) {
        // Edge-triggered: every kick is an edge, so the counter need not be read back.
        ANCHORHOLD_TRY(parts.loop.add(slot->wires_.kick.get(), EPOLLIN | EPOLLET,
                                      [self = slot.get()](uint32_t) { self->process_queues(); }));
    }
    parts.registers.add(slot->wires_.place.address, layout::kDeviceSize, *slot);
    return slot;
}

DeviceSlot::DeviceSlot(const Parts& parts, DeviceWires wires)
    : wires_(std::move(wires)),
      loop_(parts.loop),
      lock_(parts.lock),
      transport_(parts.device, parts.memory, *this, parts.loop, parts.lock) {}

DeviceSlot::~DeviceSlot() {
    if (wires_.kick.valid()) {
        loop_.remove(wires_.kick.get());
    }
}

void DeviceSlot::raise() {
    // Full means that as many interrupts are pending as the counter holds: another adds nothing.
    static_cast<void>(::eventfd_write(wires_.interrupt.get(), 1));
}

void DeviceSlot::process_queues() {
    const std::scoped_lock hold(lock_);
    for (size_t queue = 0; queue < transport_.queue_count(); ++queue) {
        transport_.process_queue(queue);
    }
}

}  // namespace anchorhold::vmm
