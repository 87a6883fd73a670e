// Which devices there are, in which order, and how each is kicked.
#include "vmm/machine/device_set.h"

#include <utility>

#include "base/check.h"
#include "proto/ports.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {

Result<std::unique_ptr<DeviceSet>> DeviceSet::create(Configuration& configuration,
                                                     const memory::GuestMemory& memory,
                                                     EventLoop& loop, virtio::DeviceLock& lock,
                                                     FailureHandler on_failure) {
    std::unique_ptr<DeviceSet> set(new DeviceSet);
    const auto parts = [&](virtio::Device& device) {
        return DeviceSlot::Parts{device, memory, loop, lock};
    };
    for (ChannelConfiguration& channel : configuration.channels) {
        ANCHORHOLD_TRY(set->streams_.add_channel(std::move(channel.socket), channel.ports));
    }
    set->vsock_ = std::make_unique<virtio::VsockDevice>(proto::kGuestCid, virtio::VsockLimits{},
                                                        set->streams_, loop, lock);
    ANCHORHOLD_TRY(set->add_slot(parts(*set->vsock_), Kicks::kEventDescriptor));
    for (DiskConfiguration& disk : configuration.disks) {
        ANCHORHOLD_TRY(set->add_disk(std::move(disk), loop, lock, on_failure));
        ANCHORHOLD_TRY(set->add_slot(parts(*set->blocks_.back()), Kicks::kEventDescriptor));
    }
    set->rng_ = std::make_unique<virtio::RngDevice>(loop, lock);
    ANCHORHOLD_TRY(set->add_slot(parts(*set->rng_), Kicks::kExit));
    set->balloon_ = std::make_unique<virtio::BalloonDevice>(memory, loop, lock);
    ANCHORHOLD_TRY(set->add_slot(parts(*set->balloon_), Kicks::kExit));
    return set;
}

Status DeviceSet::add_disk(DiskConfiguration configuration, EventLoop& loop,
                           virtio::DeviceLock& lock, const FailureHandler& on_failure) {
    const std::string name = {'v', 'd', static_cast<char>('a' + disks_.size())};
    const auto access = configuration.access == DiskConfiguration::Access::kReadOnly
                            ? virtio::DiskAccess::kReadOnly
                            : virtio::DiskAccess::kReadWrite;
    virtio::FileDiskOptions options;
    options.access = access;
    options.name = name;
    options.on_failure = [on_failure, name](std::string detail) {
        on_failure("block " + name, std::move(detail));
    };
    disks_.push_back(ANCHORHOLD_TRY(
        virtio::FileDisk::create(std::move(configuration.file), std::move(options), loop, lock)));
    blocks_.push_back(std::make_unique<virtio::BlockDevice>(
        *disks_.back(), virtio::BlockOptions{access, std::move(configuration.id)}, loop, lock));
    return {};
}

Status DeviceSet::add_slot(const DeviceSlot::Parts& parts, Kicks kicks) {
    const auto index = static_cast<uint32_t>(slots_.size());
    ANCHORHOLD_CHECK(index < layout::kMaxDevices);  // parse_configuration() bounds the disks
    const DevicePlace place{layout::kDevices + index * layout::kDeviceSize,
                            layout::kFirstInterrupt + index};
    slots_.push_back(ANCHORHOLD_TRY(DeviceSlot::create(parts, place, kicks)));
    return {};
}

std::vector<DevicePlace> DeviceSet::places() const {
    std::vector<DevicePlace> places;
    for (const auto& slot : slots_) {
        places.push_back(slot->place());
    }
    return places;
}

Status DeviceSet::attach(const kvm::Vm& vm, Bus& registers) {
    for (const auto& slot : slots_) {
        ANCHORHOLD_TRY(slot->attach(vm, registers));
    }
    return {};
}

void DeviceSet::process_queues() {
    for (const auto& slot : slots_) {
        slot->process_queues();
    }
}

void DeviceSet::count(proto::Statistics& statistics) const {
    const virtio::VsockCounters streams = vsock_->counters();
    statistics.set_open_streams(streams.open_streams);
    statistics.set_streams_opened(streams.streams_opened);
    statistics.set_stream_bytes_to_guest(streams.bytes_to_guest);
    statistics.set_stream_bytes_from_guest(streams.bytes_from_guest);
    uint64_t read = 0;
    uint64_t written = 0;
    for (const auto& block : blocks_) {
        read += block->counters().bytes_read;
        written += block->counters().bytes_written;
    }
    statistics.set_block_bytes_read(read);
    statistics.set_block_bytes_written(written);
    statistics.set_balloon_bytes(balloon_->counters().held_bytes);
    statistics.set_reported_bytes(balloon_->counters().reported_bytes);
}

}  // namespace anchorhold::vmm
