// Which devices there are, in which order, and how each is kicked.
#include "vmm/machine/device_set.h"

#include <utility>

#include "proto/ports.h"

namespace anchorhold::vmm {

Result<std::unique_ptr<DeviceSet>> DeviceSet::create(Attachments attachments,
                                                     std::vector<DeviceWires> wires,
                                                     const Surroundings& around,
                                                     const FailureHandler& on_failure) {
    constexpr size_t kOthers = 3;  // vsock, rng, balloon
    if (attachments.disks.size() + kOthers != wires.size()) {
        return fail("this machine was prepared for another number of disks");
    }
    std::unique_ptr<DeviceSet> set(new DeviceSet);
    for (ChannelConfiguration& channel : attachments.channels) {
        ANCHORHOLD_TRY(set->streams_.add_channel(std::move(channel.socket), channel.ports));
    }
    std::vector<virtio::Device*> devices;
    set->vsock_ = std::make_unique<virtio::VsockDevice>(proto::kGuestCid, virtio::VsockLimits{},
                                                        set->streams_, around.loop, around.lock);
    devices.push_back(set->vsock_.get());
    for (DiskConfiguration& disk : attachments.disks) {
        ANCHORHOLD_TRY(set->add_disk(std::move(disk), std::move(wires[devices.size()].worker),
                                     around, on_failure));
        devices.push_back(set->blocks_.back().get());
    }
    set->rng_ = std::make_unique<virtio::RngDevice>(around.loop, around.lock);
    devices.push_back(set->rng_.get());
    set->balloon_ =
        std::make_unique<virtio::BalloonDevice>(around.memory, around.loop, around.lock);
    devices.push_back(set->balloon_.get());
    for (size_t i = 0; i < devices.size(); ++i) {
        set->slots_.push_back(ANCHORHOLD_TRY(DeviceSlot::create(
            {*devices[i], around.memory, around.loop, around.lock, around.registers},
            std::move(wires[i]))));
    }
    return set;
}

Status DeviceSet::add_disk(DiskConfiguration configuration, std::unique_ptr<ParkedThread> worker,
                           const Surroundings& around, const FailureHandler& on_failure) {
    const std::string name = {'v', 'd', static_cast<char>('a' + disks_.size())};
    const bool read_only = configuration.access == DiskConfiguration::Access::kReadOnly;
    virtio::FileDiskOptions options;
    options.access = read_only ? virtio::DiskAccess::kReadOnly : virtio::DiskAccess::kReadWrite;
    options.name = name;
    options.on_failure = [on_failure, name](std::string detail) {
        on_failure("block " + name, std::move(detail));
    };
    options.worker = std::move(worker);
    const virtio::DiskAccess access = options.access;
    disks_.push_back(ANCHORHOLD_TRY(virtio::FileDisk::create(
        std::move(configuration.file), std::move(options), around.loop, around.lock)));
    identities_.push_back(
        {configuration.id,
         read_only ? DiskIdentity::Access::kReadOnly : DiskIdentity::Access::kReadWrite,
         disks_.back()->capacity()});
    blocks_.push_back(std::make_unique<virtio::BlockDevice>(
        *disks_.back(), virtio::BlockOptions{access, std::move(configuration.id)}, around.loop,
        around.lock));
    return {};
}

std::vector<DevicePlace> DeviceSet::places() const {
    std::vector<DevicePlace> places;
    for (const auto& slot : slots_) {
        places.push_back(slot->place());
    }
    return places;
}

void DeviceSet::process_queues() {
    for (const auto& slot : slots_) {
        slot->process_queues();
    }
}

void DeviceSet::count(proto::Statistics& statistics) const {
    uint64_t refused = 0;
    for (const auto& slot : slots_) {
        refused += slot->transport().refused_accesses();
    }
    statistics.set_unknown_accesses(statistics.unknown_accesses() + refused);
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

size_t DeviceSet::requests_in_flight() const {
    size_t count = 0;
    for (const auto& block : blocks_) {
        count += block->in_flight();
    }
    return count;
}

DevicesState DeviceSet::save() {
    DevicesState state;
    state.disks = identities_;
    for (const auto& slot : slots_) {
        state.transports.push_back(slot->transport().save());
    }
    state.streams = vsock_->save();
    state.balloon = balloon_->save();
    return state;
}

Status DeviceSet::restore(const DevicesState& state) {
    if (state.disks != identities_) {
        return fail(
            "the state's disks are not the ones given: their number, ids, sizes and access must be "
            "the same");
    }
    if (state.transports.size() != slots_.size()) {
        return fail("the state has another number of devices");
    }
    for (size_t i = 0; i < slots_.size(); ++i) {
        const Status restored = slots_[i]->transport().restore(state.transports[i]);
        if (!restored) {
            return tl::unexpected(restored.error().within("device " + std::to_string(i)));
        }
    }
    vsock_->restore(state.streams);
    balloon_->restore(state.balloon);
    for (const auto& slot : slots_) {
        slot->transport().reraise();
    }
    return {};
}

}  // namespace anchorhold::vmm
