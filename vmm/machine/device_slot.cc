// Event descriptors on both sides of the transport.
#include "vmm/machine/device_slot.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <mutex>
#include <utility>

#include "base/sys.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {

static_assert(layout::kDeviceSize == virtio::kMmioWindowSize);

Result<std::unique_ptr<DeviceSlot>> DeviceSlot::create(const Parts& parts, DevicePlace place,
                                                       Kicks kicks) {
    OwnFd interrupt = ANCHORHOLD_TRY(sys::event_fd(EFD_NONBLOCK));
    OwnFd kick;
    if (kicks == Kicks::kEventDescriptor) {
        kick = ANCHORHOLD_TRY(sys::event_fd(EFD_NONBLOCK));
    }
    std::unique_ptr<DeviceSlot> slot(
        new DeviceSlot(parts, place, std::move(interrupt), std::move(kick)));
    if (slot->kick_.valid()) {
        // Edge-triggered: every kick is an edge, so the counter need not be read back.
        ANCHORHOLD_TRY(parts.loop.add(slot->kick_.get(), EPOLLIN | EPOLLET,
                                      [self = slot.get()](uint32_t) { self->process_queues(); }));
    }
    return slot;
}

DeviceSlot::DeviceSlot(const Parts& parts, DevicePlace place, OwnFd interrupt, OwnFd kick)
    : place_(place),
      interrupt_(std::move(interrupt)),
      kick_(std::move(kick)),
      loop_(parts.loop),
      lock_(parts.lock),
      transport_(parts.device, parts.memory, *this, parts.loop, parts.lock) {}

DeviceSlot::~DeviceSlot() {
    if (kick_.valid()) {
        loop_.remove(kick_.get());
    }
}

Status DeviceSlot::attach(const kvm::Vm& vm, Bus& registers) {
    ANCHORHOLD_TRY(vm.add_irqfd(interrupt_.get(), place_.interrupt));
    if (kick_.valid()) {
        ANCHORHOLD_TRY(
            vm.add_ioeventfd(kick_.get(), place_.address + virtio::kQueueNotifyRegister));
    }
    registers.add(place_.address, layout::kDeviceSize, *this);
    return {};
}

void DeviceSlot::raise() {
    // Full means that as many interrupts are pending as the counter holds: another adds nothing.
    static_cast<void>(::eventfd_write(interrupt_.get(), 1));
}

void DeviceSlot::process_queues() {
    const std::scoped_lock hold(lock_);
    for (size_t queue = 0; queue < transport_.queue_count(); ++queue) {
        transport_.process_queue(queue);
    }
}

}  // namespace anchorhold::vmm
