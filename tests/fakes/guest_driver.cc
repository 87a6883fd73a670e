// Rings from the driver's side (virtio 1.2 §2.7), written straight into guest memory.
#include "guest_driver.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace anchorhold::fakes {
namespace {

using memory::GuestAddress;
using virtio::Descriptor;

constexpr uint16_t kEnd = UINT16_MAX;

GuestAddress at(GuestAddress base, uint64_t offset) {
    return GuestAddress(base.value() + offset);
}

}  // namespace

Bench::Bench() {
    auto made = memory::GuestMemory::create(16 << 20);
    ANCHORHOLD_CHECK(made.has_value());
    memory = std::move(*made);
    auto started = EventLoop::create();
    ANCHORHOLD_CHECK(started.has_value());
    loop = std::move(*started);
}

void Bench::settle() {
    for (int i = 0; i < 8; ++i) {
        static_cast<void>(loop->run_once(Duration::zero()));
    }
}

GuestDriver::GuestDriver(Bench& bench, virtio::MmioTransport& transport)
    : bench_(bench), transport_(&transport), rings_(transport.queue_count()) {}

uint32_t GuestDriver::read(uint64_t offset) {
    uint32_t value = 0;
    const std::lock_guard guard(bench_.lock);
    transport_->read(offset, std::as_writable_bytes(std::span(&value, 1)));
    return value;
}

void GuestDriver::write(uint64_t offset, uint32_t value) {
    const std::lock_guard guard(bench_.lock);
    transport_->write(offset, std::as_bytes(std::span(&value, 1)));
}

uint64_t GuestDriver::read_config(uint64_t offset, size_t width) {
    uint64_t value = 0;
    const std::lock_guard guard(bench_.lock);
    transport_->read(virtio::kRegisterSpace + offset,
                     std::as_writable_bytes(std::span(&value, 1)).first(width));
    return value;
}

void GuestDriver::write_config(uint64_t offset, uint32_t value) {
    write(virtio::kRegisterSpace + offset, value);
}

uint64_t GuestDriver::offered_features() {
    write(0x14, 1);
    const uint64_t high = read(0x10);
    write(0x14, 0);
    return (high << 32) | read(0x10);
}

bool GuestDriver::negotiate(uint64_t features) {
    using namespace virtio;
    write(0x70, 0);
    write(0x70, kStatusAcknowledge);
    write(0x70, kStatusAcknowledge | kStatusDriver);
    write(0x24, 0);
    write(0x20, static_cast<uint32_t>(features));
    write(0x24, 1);
    write(0x20, static_cast<uint32_t>(features >> 32));
    write(0x70, kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk);
    event_index_ = (features & kFeatureEventIndex) != 0;
    return (read(0x70) & kStatusFeaturesOk) != 0;
}

void GuestDriver::set_up_queue(size_t index, uint16_t size) {
    Ring ring;
    ring.size = size;
    ring.table = allocate(16 * size);
    ring.available = allocate(6 + 2 * size);
    ring.used = allocate(6 + 8 * size);
    ring.next.assign(size, kEnd);
    for (uint16_t i = size; i > 0; --i) {
        ring.free.push_back(static_cast<uint16_t>(i - 1));
    }
    write(0x30, static_cast<uint32_t>(index));
    write(0x38, size);
    const auto write_address = [this](uint64_t low, GuestAddress address) {
        write(low, static_cast<uint32_t>(address.value()));
        write(low + 4, static_cast<uint32_t>(address.value() >> 32));
    };
    write_address(0x80, ring.table);
    write_address(0x90, ring.available);
    write_address(0xa0, ring.used);
    write(0x44, 1);
    rings_[index] = std::move(ring);
}

bool GuestDriver::start(uint64_t features) {
    if (!negotiate(features)) {
        return false;
    }
    for (size_t i = 0; i < rings_.size(); ++i) {
        write(0x30, static_cast<uint32_t>(i));
        set_up_queue(i, static_cast<uint16_t>(read(0x34)));
    }
    write(0x70, read(0x70) | virtio::kStatusDriverOk);
    bench_.settle();
    return (read(0x70) & virtio::kStatusDriverOk) != 0;
}

GuestAddress GuestDriver::allocate(uint64_t bytes) {
    const GuestAddress address(next_free_);
    next_free_ += (bytes + 15) / 16 * 16;
    ANCHORHOLD_CHECK(next_free_ <= bench_.memory->size());
    return address;
}

GuestAddress GuestDriver::place(std::span<const std::byte> bytes) {
    const GuestAddress address = allocate(bytes.size());
    ANCHORHOLD_CHECK(bench_.memory->write(address, bytes));
    return address;
}

std::vector<std::byte> GuestDriver::bytes_at(GuestAddress address, size_t count) const {
    std::vector<std::byte> bytes(count);
    ANCHORHOLD_CHECK(bench_.memory->read(address, bytes));
    return bytes;
}

uint16_t GuestDriver::add(size_t queue, std::span<const Buffer> buffers) {
    Ring& ring = rings_[queue];
    ANCHORHOLD_CHECK(!buffers.empty() && ring.free.size() >= buffers.size());
    uint16_t next = kEnd;
    for (auto buffer = buffers.rbegin(); buffer != buffers.rend(); ++buffer) {
        const uint16_t index = ring.free.back();
        ring.free.pop_back();
        ring.next[index] = next;
        Descriptor descriptor{buffer->address.value(), buffer->length, uint16_t{0}, uint16_t{0}};
        uint16_t flags = buffer->direction == Direction::kWritable ? virtio::kDescriptorWrite : 0;
        if (next != kEnd) {
            flags = static_cast<uint16_t>(flags | virtio::kDescriptorNext);
            descriptor.next = next;
        }
        descriptor.flags = flags;
        set_descriptor(queue, index, descriptor);
        next = index;
    }
    push(ring, next);
    return next;
}

uint16_t GuestDriver::add_indirect(size_t queue, std::span<const Buffer> buffers) {
    std::vector<Descriptor> entries;
    for (size_t i = 0; i < buffers.size(); ++i) {
        const bool last = i + 1 == buffers.size();
        const int flags =
            (buffers[i].direction == Direction::kWritable ? virtio::kDescriptorWrite : 0) |
            (last ? 0 : virtio::kDescriptorNext);
        entries.push_back({buffers[i].address.value(), buffers[i].length,
                           static_cast<uint16_t>(flags), static_cast<uint16_t>(last ? 0 : i + 1)});
    }
    const auto bytes = std::as_bytes(std::span(entries));
    const GuestAddress address = place(bytes);
    Ring& ring = rings_[queue];
    const uint16_t index = ring.free.back();
    ring.free.pop_back();
    ring.next[index] = kEnd;
    set_descriptor(queue, index,
                   {address.value(), static_cast<uint32_t>(bytes.size()),
                    virtio::kDescriptorIndirect, uint16_t{0}});
    push(ring, index);
    return index;
}

void GuestDriver::push(Ring& ring, uint16_t head) {
    const auto slot = static_cast<uint16_t>(ring.available_index % ring.size);
    ANCHORHOLD_CHECK(bench_.memory->store(at(ring.available, 4 + 2 * uint64_t{slot}), head));
    ++ring.available_index;
    ANCHORHOLD_CHECK(bench_.memory->store_release(at(ring.available, 2), ring.available_index));
}

std::optional<virtio::UsedElement> GuestDriver::pop_used(size_t queue) {
    Ring& ring = rings_[queue];
    if (used_index(queue) == ring.used_index) {
        return std::nullopt;
    }
    const auto slot = static_cast<uint16_t>(ring.used_index % ring.size);
    const auto element =
        bench_.memory->load<virtio::UsedElement>(at(ring.used, 4 + 8 * uint64_t{slot}));
    ++ring.used_index;
    // As Linux does with EVENT_IDX: tell me of the next one.
    set_used_event(queue, ring.used_index);
    uint32_t index = element->id;
    while (index < ring.size) {
        ring.free.push_back(static_cast<uint16_t>(index));
        index = ring.next[index];
    }
    return element;
}

void GuestDriver::kick(size_t queue) {
    const std::lock_guard guard(bench_.lock);
    rings_[queue].kicked_index = rings_[queue].available_index;
    transport_->process_queue(queue);
}

bool GuestDriver::kick_if_wanted(size_t queue) {
    Ring& ring = rings_[queue];
    const uint16_t old_index = std::exchange(ring.kicked_index, ring.available_index);
    const bool wanted =
        event_index_ ? static_cast<uint16_t>(ring.available_index - available_event(queue) - 1) <
                           static_cast<uint16_t>(ring.available_index - old_index)
                     : (used_flags(queue) & 1) == 0 && old_index != ring.available_index;
    if (wanted) {
        kick(queue);
    }
    return wanted;
}

void GuestDriver::set_descriptor(size_t queue, uint16_t index, const Descriptor& descriptor) {
    ANCHORHOLD_CHECK(
        bench_.memory->store(at(rings_[queue].table, 16 * uint64_t{index}), descriptor));
}

void GuestDriver::make_available(size_t queue, uint16_t head) {
    push(rings_[queue], head);
}

void GuestDriver::set_available_index(size_t queue, uint16_t index) {
    rings_[queue].available_index = index;
    ANCHORHOLD_CHECK(bench_.memory->store_release(at(rings_[queue].available, 2), index));
}

void GuestDriver::set_available_flags(size_t queue, uint16_t flags) {
    ANCHORHOLD_CHECK(bench_.memory->store(rings_[queue].available, flags));
}

void GuestDriver::set_used_event(size_t queue, uint16_t index) {
    const Ring& ring = rings_[queue];
    ANCHORHOLD_CHECK(bench_.memory->store(at(ring.available, 4 + 2 * uint64_t{ring.size}), index));
}

uint16_t GuestDriver::available_event(size_t queue) const {
    const Ring& ring = rings_[queue];
    return *bench_.memory->load<uint16_t>(at(ring.used, 4 + 8 * uint64_t{ring.size}));
}

uint16_t GuestDriver::used_flags(size_t queue) const {
    return *bench_.memory->load<uint16_t>(rings_[queue].used);
}

uint16_t GuestDriver::used_index(size_t queue) const {
    return *bench_.memory->load_acquire(at(rings_[queue].used, 2));
}

bool GuestDriver::needs_reset() {
    return (read(0x70) & virtio::kStatusNeedsReset) != 0;
}

std::vector<std::byte> to_bytes(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

std::string to_text(std::span<const std::byte> bytes) {
    std::string text(bytes.size(), '\0');
    std::memcpy(text.data(), bytes.data(), bytes.size());
    return text;
}

}  // namespace anchorhold::fakes
