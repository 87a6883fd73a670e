// Event descriptors, one or two a slot, and a thread for each disk.
#include "vmm/machine/device_wires.h"

#include <sys/eventfd.h>

#include <utility>

#include "base/check.h"
#include "base/sys.h"
#include "virtio/mmio_transport.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {

namespace {

constexpr size_t kWorkerStack = 64 * 1024;

}  // namespace

Result<std::vector<DeviceWires>> wire_devices(const kvm::Vm& vm, size_t disks,
                                              const std::function<Status()>& prepare_worker) {
    constexpr size_t kEntropyAndBalloon = 2;
    const size_t kicked = 1 + disks;
    const size_t count = kicked + kEntropyAndBalloon;
    ANCHORHOLD_CHECK(count <= layout::kMaxDevices);  // the configuration's parser bounds the disks
    std::vector<DeviceWires> slots;
    for (size_t i = 0; i < count; ++i) {
        DeviceWires wires{{layout::kDevices + i * layout::kDeviceSize,
                           layout::kFirstInterrupt + static_cast<uint32_t>(i)},
                          ANCHORHOLD_TRY(sys::event_fd(EFD_NONBLOCK)),
                          {},
                          {}};
        ANCHORHOLD_TRY(vm.add_irqfd(wires.interrupt.get(), wires.place.interrupt));
        if (i < kicked) {
            wires.kick = ANCHORHOLD_TRY(sys::event_fd(EFD_NONBLOCK));
            ANCHORHOLD_TRY(vm.add_ioeventfd(wires.kick.get(),
                                            wires.place.address + virtio::kQueueNotifyRegister));
        }
        if (i > 0 && i < kicked) {
            wires.worker = ANCHORHOLD_TRY(ParkedThread::start(kWorkerStack, prepare_worker));
        }
        slots.push_back(std::move(wires));
    }
    return slots;
}

}  // namespace anchorhold::vmm
