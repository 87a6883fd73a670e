// The virtio devices of a machine, made from its configuration.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "proto/vmm_control.pb.h"
#include "virtio/balloon/balloon_device.h"
#include "virtio/block/block_device.h"
#include "virtio/block/file_disk.h"
#include "virtio/rng/rng_device.h"
#include "virtio/vsock/channel_backend.h"
#include "virtio/vsock/vsock_device.h"
#include "vmm/control/configuration.h"
#include "vmm/machine/device_slot.h"
#include "vmm/machine/device_wires.h"
#include "vmm/snapshot/machine_state.h"

namespace anchorhold::vmm {

// Made, used and destroyed on the loop's thread. Members that say so want the DeviceLock held.
class DeviceSet {
  public:
    // A host file behind a device failed: "block vdb", "write: No space left on device". On the
    // loop's thread.
    using FailureHandler = std::function<void(std::string device, std::string detail)>;

    // What the devices stand in; all of it outlives them.
    struct Surroundings {
        const memory::GuestMemory& memory;
        EventLoop& loop;
        virtio::DeviceLock& lock;
        Bus& registers;
    };

    // Takes disks and channels; `wires` are wire_devices() for as many disks.
    static Result<std::unique_ptr<DeviceSet>> create(Attachments attachments,
                                                     std::vector<DeviceWires> wires,
                                                     const Surroundings& around,
                                                     const FailureHandler& on_failure);

    // In the order in which the kernel is to find them.
    [[nodiscard]] std::vector<DevicePlace> places() const;

    // Looks at every queue of every device as if it had been kicked. DeviceLock not held.
    void process_queues();

    // Under the DeviceLock.
    [[nodiscard]] virtio::VsockDevice& vsock() { return *vsock_; }
    [[nodiscard]] virtio::BalloonDevice& balloon() { return *balloon_; }
    void count(proto::Statistics& statistics) const;
    // Disk requests that were begun and not yet answered.
    [[nodiscard]] size_t requests_in_flight() const;

    // Under the DeviceLock, no vCPU running and no request in flight. save() leaves out the serial
    // port.
    [[nodiscard]] DevicesState save();
    // Into devices that no driver has touched. An error when the state is not one of these devices;
    // then they must not be used any more. Afterwards process_queues().
    Status restore(const DevicesState& state);

  private:
    DeviceSet() = default;
    Status add_disk(DiskConfiguration configuration, std::unique_ptr<ParkedThread> worker,
                    const Surroundings& around, const FailureHandler& on_failure);

    virtio::ChannelBackend streams_;
    std::unique_ptr<virtio::VsockDevice> vsock_;
    std::vector<DiskIdentity> identities_;
    std::vector<std::unique_ptr<virtio::FileDisk>> disks_;
    std::vector<std::unique_ptr<virtio::BlockDevice>> blocks_;
    std::unique_ptr<virtio::RngDevice> rng_;
    std::unique_ptr<virtio::BalloonDevice> balloon_;
    std::vector<std::unique_ptr<DeviceSlot>> slots_;  // last: gone before the devices they serve
};

}  // namespace anchorhold::vmm
