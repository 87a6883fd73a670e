// Where devices will be: their registers' place, interrupt and kick, known to KVM before any device
// exists; and the threads that disks will need.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/parked_thread.h"
#include "base/result.h"
#include "vmm/boot/command_line.h"
#include "vmm/kvm/vm.h"

namespace anchorhold::vmm {

// One slot's connections with the host.
struct DeviceWires {
    DevicePlace place;
    OwnFd interrupt;                       // irqfd
    OwnFd kick;                            // ioeventfd of all queues; empty where kicks are exits
    std::unique_ptr<ParkedThread> worker;  // of a disk
};

// The slots of a machine with `disks` disks, in the order of DeviceSet: streams, disks, entropy,
// balloon. Disks and streams are kicked by event descriptors, so that the vCPU goes on at once; the
// others are seldom kicked, and each such descriptor costs the host a grace period. Workers begin
// with `prepare_worker`.
[[nodiscard]] Result<std::vector<DeviceWires>> wire_devices(
    const kvm::Vm& vm, size_t disks, const std::function<Status()>& prepare_worker);

}  // namespace anchorhold::vmm
