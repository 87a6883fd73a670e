// A guest's virtio driver, in a test: negotiates through registers, lays out queues in guest
// memory, builds chains, and breaks any rule it is asked to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "memory/guest_memory.h"
#include "virtio/mmio_transport.h"
#include "virtio/queue.h"

namespace anchorhold::fakes {

class CountingIrq final : public virtio::IrqLine {
  public:
    void raise() override { ++raised; }
    int raised = 0;
};

// What every device test stands on.
struct Bench {
    Bench();
    // Runs the loop until it has nothing more to do at once.
    void settle();
    // Runs the loop until `done` or some seconds have passed; says which.
    template <typename Done>
    bool run_until(Done done) {
        for (int i = 0; i < 5000 && !done(); ++i) {
            static_cast<void>(loop->run_once(std::chrono::milliseconds(1)));
        }
        return done();
    }

    std::unique_ptr<memory::GuestMemory> memory;  // 16 MiB
    std::unique_ptr<EventLoop> loop;
    virtio::DeviceLock lock;
    CountingIrq irq;
};

enum class Direction : uint8_t { kReadable, kWritable };

struct Buffer {
    memory::GuestAddress address;
    uint32_t length = 0;
    Direction direction = Direction::kReadable;
};

class GuestDriver {
  public:
    GuestDriver(Bench& bench, virtio::MmioTransport& transport);

    [[nodiscard]] uint32_t read(uint64_t offset);
    void write(uint64_t offset, uint32_t value);
    [[nodiscard]] uint64_t read_config(uint64_t offset, size_t width);
    void write_config(uint64_t offset, uint32_t value);

    [[nodiscard]] uint64_t offered_features();
    // Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK. False when the device does not accept
    // them.
    bool negotiate(uint64_t features);
    // Lays out a queue of `size` entries and makes it ready.
    void set_up_queue(size_t index, uint16_t size);
    // negotiate(), all queues at their largest size, DRIVER_OK.
    bool start(uint64_t features);
    bool start() { return start(offered_features()); }

    // Guest memory for buffers, 16-aligned; never given back.
    [[nodiscard]] memory::GuestAddress allocate(uint64_t bytes);
    [[nodiscard]] memory::GuestAddress place(std::span<const std::byte> bytes);
    [[nodiscard]] std::vector<std::byte> bytes_at(memory::GuestAddress address, size_t count) const;

    // Makes a chain available; returns its head. Does not kick.
    uint16_t add(size_t queue, std::span<const Buffer> buffers);
    uint16_t add(size_t queue, std::initializer_list<Buffer> buffers) {
        return add(queue, std::span(buffers.begin(), buffers.size()));
    }
    // The same through an indirect table.
    uint16_t add_indirect(size_t queue, std::span<const Buffer> buffers);
    // The next used element, if any; its descriptors are free again.
    std::optional<virtio::UsedElement> pop_used(size_t queue);
    // As ioeventfd would, whether the device wants it or not.
    void kick(size_t queue);
    // Kicks only if the device asked for it (EVENT_IDX or flags); says whether it did.
    bool kick_if_wanted(size_t queue);

    // Rule breaking and rare wishes.
    void set_descriptor(size_t queue, uint16_t index, const virtio::Descriptor& descriptor);
    void make_available(size_t queue, uint16_t head);
    void set_available_index(size_t queue, uint16_t index);
    void set_available_flags(size_t queue, uint16_t flags);
    void set_used_event(size_t queue, uint16_t index);
    [[nodiscard]] uint16_t available_event(size_t queue) const;
    [[nodiscard]] uint16_t used_flags(size_t queue) const;
    [[nodiscard]] uint16_t used_index(size_t queue) const;
    [[nodiscard]] memory::GuestAddress table(size_t queue) const { return rings_[queue].table; }
    [[nodiscard]] uint16_t queue_size(size_t queue) const { return rings_[queue].size; }
    // After a restore into a new transport: the rings stay where they are.
    void attach(virtio::MmioTransport& transport) { transport_ = &transport; }
    [[nodiscard]] bool needs_reset();

  private:
    struct Ring {
        uint16_t size = 0;
        memory::GuestAddress table;
        memory::GuestAddress available;
        memory::GuestAddress used;
        uint16_t available_index = 0;
        uint16_t used_index = 0;
        uint16_t kicked_index = 0;  // available_index at the last kick decision
        std::vector<uint16_t> free;
        std::vector<uint16_t> next;  // per descriptor in a chain, or kEnd
    };
    void push(Ring& ring, uint16_t head);

    Bench& bench_;
    virtio::MmioTransport* transport_;
    std::vector<Ring> rings_;
    uint64_t next_free_ = 0x10'0000;
    bool event_index_ = false;
};

// Shorthand for bytes in tests.
[[nodiscard]] std::vector<std::byte> to_bytes(std::string_view text);
[[nodiscard]] std::string to_text(std::span<const std::byte> bytes);
template <typename T>
[[nodiscard]] std::vector<std::byte> raw(const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    return {bytes.begin(), bytes.end()};
}

}  // namespace anchorhold::fakes
