// Packets in and out of the three vsock queues, from the driver's side.
#include "vsock_guest.h"

#include "base/check.h"

namespace anchorhold::fakes {

using memory::GuestAddress;
using virtio::PacketHeader;

PacketHeader VsockGuest::header(const Say& say) {
    PacketHeader header;
    header.source_cid = kTestCid;
    header.destination_cid = virtio::kVsockHostCid;
    header.source_port = say.guest_port;
    header.destination_port = say.host_port;
    header.length = static_cast<uint32_t>(say.payload.size());
    header.type = virtio::kVsockStream;
    header.operation = static_cast<uint16_t>(say.operation);
    header.flags = say.flags;
    header.buffer_size = say.buffer_size;
    header.forwarded_count = say.forwarded;
    return header;
}

void VsockGuest::send(const Say& say) {
    send_raw(header(say), say.payload);
}

void VsockGuest::send_raw(const PacketHeader& header, std::string_view payload) {
    if (!scratch_) {
        scratch_ = driver_.allocate(sizeof header + 256 * 1024);
    }
    const GuestAddress start = *scratch_;
    const GuestAddress body(start.value() + sizeof header);
    ANCHORHOLD_CHECK(bench_.memory->store(start, header));
    ANCHORHOLD_CHECK(bench_.memory->write(body, std::as_bytes(std::span(payload))));
    if (payload.empty()) {
        driver_.add(kTransmit, {{start, sizeof header, Direction::kReadable}});
    } else {
        driver_.add(kTransmit,
                    {{start, sizeof header, Direction::kReadable},
                     {body, static_cast<uint32_t>(payload.size()), Direction::kReadable}});
    }
    driver_.kick(kTransmit);
    bench_.settle();
    while (driver_.pop_used(kTransmit)) {
    }
}

void VsockGuest::give_buffers(size_t count, uint32_t size) {
    for (size_t i = 0; i < count; ++i) {
        Posted posted{};
        if (!spare_.empty() && spare_.back().size == size) {
            posted = spare_.back();
            spare_.pop_back();
        } else {
            posted = {driver_.allocate(size), size};
        }
        const uint16_t head = driver_.add(kReceive, {{posted.address, size, Direction::kWritable}});
        posted_[head] = posted;
    }
    driver_.kick(kReceive);
    bench_.settle();
}

void VsockGuest::give_event_buffers(size_t count) {
    for (size_t i = 0; i < count; ++i) {
        const Posted posted{driver_.allocate(4), 4};
        const uint16_t head = driver_.add(kEvent, {{posted.address, 4, Direction::kWritable}});
        events_[head] = posted;
    }
    driver_.kick_if_wanted(kEvent);
    bench_.settle();
}

std::optional<ReceivedPacket> VsockGuest::receive() {
    const auto used = driver_.pop_used(kReceive);
    if (!used) {
        return std::nullopt;
    }
    const Posted posted = posted_[used->id];
    spare_.push_back(posted);
    ReceivedPacket packet;
    packet.header = *bench_.memory->load<PacketHeader>(posted.address);
    ANCHORHOLD_CHECK(used->length == sizeof packet.header + packet.header.length);
    packet.payload = driver_.bytes_at(GuestAddress(posted.address.value() + sizeof packet.header),
                                      packet.header.length);
    return packet;
}

std::optional<uint32_t> VsockGuest::receive_event() {
    const auto used = driver_.pop_used(kEvent);
    if (!used) {
        return std::nullopt;
    }
    return bench_.memory->load<uint32_t>(events_[used->id].address);
}

bool VsockGuest::nothing_received() {
    bench_.settle();
    return !receive().has_value();
}

}  // namespace anchorhold::fakes
