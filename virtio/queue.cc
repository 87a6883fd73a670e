// Rings and descriptor walks. Every number read here was written by the guest.
#include "virtio/queue.h"

#include <atomic>
#include <bit>
#include <cstring>
#include <string>

#include "base/check.h"

namespace anchorhold::virtio {
namespace {

using memory::GuestAddress;

// §2.7.6 struct virtq_avail and §2.7.8 struct virtq_used: flags, idx, ring[size], event.
constexpr size_t kRingFlags = 0;
constexpr size_t kRingIndex = 2;
constexpr size_t kRingEntries = 4;
constexpr uint16_t kNoInterrupt = 1;  // VIRTQ_AVAIL_F_NO_INTERRUPT
constexpr uint16_t kNoNotify = 1;     // VIRTQ_USED_F_NO_NOTIFY

constexpr size_t available_bytes(uint16_t size) {
    return 6 + size_t{2} * size;
}
constexpr size_t used_bytes(uint16_t size) {
    return 6 + sizeof(UsedElement) * size;
}
constexpr size_t available_entry(uint16_t slot) {
    return kRingEntries + size_t{2} * slot;
}
constexpr size_t used_entry(uint16_t slot) {
    return kRingEntries + sizeof(UsedElement) * slot;
}
constexpr size_t used_event(uint16_t size) {
    return kRingEntries + size_t{2} * size;
}
constexpr size_t available_event(uint16_t size) {
    return kRingEntries + sizeof(UsedElement) * size;
}

constexpr uint16_t distance(uint16_t from, uint16_t to) {
    return static_cast<uint16_t>(to - from);
}

std::atomic_ref<uint16_t> ring_word(std::span<std::byte> area, size_t offset) {
    return std::atomic_ref(*reinterpret_cast<uint16_t*>(area.subspan(offset, 2).data()));
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "rings are little-endian (§2.7)");

Queue::Queue(uint16_t max_size) : max_size_(max_size) {
    ANCHORHOLD_CHECK(std::has_single_bit(max_size));
    config_.size = max_size;
}

void Queue::reset() {
    *this = Queue(max_size_);
}

Status Queue::activate(const memory::GuestMemory& memory, uint64_t features) {
    if (!std::has_single_bit(config_.size) || config_.size > max_size_) {
        return fail("queue size " + std::to_string(config_.size) + " is no power of two up to " +
                    std::to_string(max_size_));
    }
    // §2.7: alignments of the three areas.
    if (config_.descriptors % 16 != 0 || config_.available % 2 != 0 || config_.used % 4 != 0) {
        return fail("a queue area is not aligned");
    }
    const auto descriptors =
        memory.slice(GuestAddress(config_.descriptors), sizeof(Descriptor) * config_.size);
    const auto available =
        memory.slice(GuestAddress(config_.available), available_bytes(config_.size));
    const auto used = memory.slice(GuestAddress(config_.used), used_bytes(config_.size));
    if (!descriptors || !available || !used) {
        return fail("a queue area is not in RAM");
    }
    memory_ = &memory;
    size_ = config_.size;
    descriptors_ = *descriptors;
    available_ = *available;
    used_ = *used;
    event_index_ = (features & kFeatureEventIndex) != 0;
    indirect_ = (features & kFeatureIndirectDescriptors) != 0;
    return {};
}

void Queue::stop(std::string_view reason) {
    if (fault_.empty()) {
        fault_ = reason;
    }
}

bool Queue::fail_chain(std::string_view reason) {
    stop(reason);
    return false;
}

uint16_t Queue::available_index() const {
    return active() ? ring_word(available_, kRingIndex).load(std::memory_order_seq_cst)
                    : next_available_;
}

bool Queue::has_available() const {
    return active() && available_index() != next_available_;
}

bool Queue::pop(DescriptorChain& chain) {
    if (!active()) {
        return false;
    }
    const uint16_t waiting = distance(next_available_, available_index());
    if (waiting == 0) {
        return false;
    }
    // §2.7.13.3: the driver never runs more than the queue's size ahead, counting what is still
    // with us.
    if (waiting > size_ || in_flight_ >= size_) {
        return fail_chain("the available index is further ahead than the queue is long");
    }
    const auto slot = static_cast<uint16_t>(next_available_ & (size_ - 1));
    const uint16_t head =
        ring_word(available_, available_entry(slot)).load(std::memory_order_relaxed);
    if (!walk(head, chain)) {
        return false;
    }
    ++next_available_;
    ++in_flight_;
    return true;
}

void Queue::unpop(uint16_t count) {
    ANCHORHOLD_CHECK(count <= in_flight_);
    next_available_ = static_cast<uint16_t>(next_available_ - count);
    in_flight_ = static_cast<uint16_t>(in_flight_ - count);
}

bool Queue::walk(uint16_t head, DescriptorChain& chain) {
    chain.head = head;
    chain.readable.clear();
    chain.writable.clear();
    chain.readable_size = 0;
    chain.writable_size = 0;

    std::span<const std::byte> table = descriptors_;
    size_t entries = size_;
    size_t index = head;
    bool in_indirect = false;
    size_t steps = 0;  // in this table
    while (true) {
        if (index >= entries) {
            return fail_chain("a descriptor index is outside its table");
        }
        // A chain that visits more descriptors than its table has runs in a circle.
        if (++steps > entries ||
            chain.readable.size() + chain.writable.size() >= kMaxChainSegments) {
            return fail_chain("a descriptor chain is too long or a circle");
        }
        Descriptor descriptor;
        std::memcpy(&descriptor, table.subspan(index * sizeof descriptor).data(),
                    sizeof descriptor);
        if ((descriptor.flags & kDescriptorIndirect) != 0) {
            // §2.7.5.3: only when negotiated, never nested, never with NEXT; ordinary ones may
            // stand before it.
            if (!indirect_ || in_indirect || (descriptor.flags & kDescriptorNext) != 0) {
                return fail_chain("an indirect descriptor where none may be");
            }
            if (descriptor.length == 0 || descriptor.length % sizeof(Descriptor) != 0) {
                return fail_chain("an indirect table has no whole number of descriptors");
            }
            const auto indirect =
                memory_->slice(GuestAddress(descriptor.address), descriptor.length);
            if (!indirect) {
                return fail_chain("an indirect table is not in RAM");
            }
            table = *indirect;
            entries = descriptor.length / sizeof(Descriptor);
            index = 0;
            steps = 0;
            in_indirect = true;
            continue;
        }
        if (!add_segment(descriptor, chain)) {
            return false;
        }
        if ((descriptor.flags & kDescriptorNext) == 0) {
            return true;
        }
        index = descriptor.next;
    }
}

bool Queue::add_segment(const Descriptor& descriptor, DescriptorChain& chain) {
    const auto bytes = memory_->slice(GuestAddress(descriptor.address), descriptor.length);
    if (!bytes) {
        return fail_chain("a descriptor points outside RAM");
    }
    const bool writable = (descriptor.flags & kDescriptorWrite) != 0;
    if (!writable && !chain.writable.empty()) {
        return fail_chain("a readable descriptor follows a writable one");
    }
    // §2.7.5: at most 2^32 bytes together.
    if (chain.readable_size + chain.writable_size + descriptor.length > UINT32_MAX) {
        return fail_chain("a descriptor chain holds more than 4 GiB");
    }
    (writable ? chain.writable : chain.readable).push_back(*bytes);
    (writable ? chain.writable_size : chain.readable_size) += descriptor.length;
    return true;
}

void Queue::add_used(uint16_t head, uint32_t written) {
    ANCHORHOLD_CHECK(in_flight_ > 0);
    const UsedElement element{head, written};
    const auto slot = static_cast<uint16_t>(next_used_ & (size_ - 1));
    std::memcpy(used_.subspan(used_entry(slot)).data(), &element, sizeof element);
    ++next_used_;
    --in_flight_;
}

bool Queue::publish() {
    if (next_used_ == published_used_ || !active()) {
        return false;
    }
    // The driver publishes its wish and then looks at our index; we publish our index and then look
    // at its wish. With both in one total order (a full barrier on either side) one of the two sees
    // the other. Sequentially consistent accesses do what a fence would, and ThreadSanitizer
    // understands them.
    ring_word(used_, kRingIndex).store(next_used_, std::memory_order_seq_cst);
    published_used_ = next_used_;
    if (!event_index_) {
        const uint16_t flags = ring_word(available_, kRingFlags).load(std::memory_order_seq_cst);
        signalled_used_ = published_used_;
        return (flags & kNoInterrupt) == 0;
    }
    // §2.7.10: notify when the batch (signalled_used_, published_used_] crossed used_event.
    const uint16_t event = ring_word(available_, used_event(size_)).load(std::memory_order_seq_cst);
    const bool crossed = distance(static_cast<uint16_t>(event + 1), published_used_) <
                         distance(signalled_used_, published_used_);
    signalled_used_ = published_used_;
    return crossed;
}

void Queue::disable_notifications() {
    // With EVENT_IDX an avail_event that is not moved on does it (§2.7.10.1).
    if (active() && !event_index_) {
        ring_word(used_, kRingFlags).store(kNoNotify, std::memory_order_relaxed);
    }
}

bool Queue::enable_notifications() {
    if (!active()) {
        return false;
    }
    if (event_index_) {
        // For the next buffer, whatever is waiting already: its kick has been.
        ring_word(used_, available_event(size_))
            .store(available_index(), std::memory_order_seq_cst);
    } else {
        ring_word(used_, kRingFlags).store(0, std::memory_order_seq_cst);
    }
    // As in publish(): our wish first, then their index, in one total order.
    return has_available();
}

QueueState Queue::save() const {
    return {config_, next_available_, next_used_, signalled_used_};
}

Status Queue::restore(const QueueState& state) {
    ANCHORHOLD_CHECK(active());
    if (distance(state.next_used, state.next_available) > size_) {
        return fail("queue state: more buffers in flight than the queue holds");
    }
    next_available_ = state.next_available;
    next_used_ = state.next_used;
    published_used_ = state.next_used;
    signalled_used_ = state.signalled_used;
    in_flight_ = distance(next_used_, next_available_);
    return {};
}

}  // namespace anchorhold::virtio
