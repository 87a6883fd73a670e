// One buffer of the driver: a walked and checked chain of descriptors (virtio 1.2 §2.7.5), as host
// memory.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace anchorhold::virtio {

// The longest chain followed, direct or indirect. A driver may not exceed the queue's size
// (§2.7.5.3.1), but Linux does with indirect tables; IOV_MAX is what one readv or writev takes.
constexpr size_t kMaxChainSegments = 1024;

// Readable segments come first, then writable ones (§2.7.4.2). Every segment lies inside guest RAM.
// The bytes may change under us at any time: copy what decides, once. Reusable: Queue::pop()
// refills it and keeps its memory.
struct DescriptorChain {
    uint16_t head = 0;
    std::vector<std::span<std::byte>> readable;
    std::vector<std::span<std::byte>> writable;
    uint64_t readable_size = 0;  // bytes, at most 2^32 - 1
    uint64_t writable_size = 0;  // bytes, at most 2^32 - 1
};

// Walks segments front to back, however the driver cut them (§2.7.4.1: no assumptions on framing).
class ChainCursor {
  public:
    explicit ChainCursor(std::span<const std::span<std::byte>> segments);

    // Leaves at most `bytes` of what remains.
    void limit(uint64_t bytes) { remaining_ = std::min(remaining_, bytes); }

    // Copies the next bytes and moves on; false, with nothing copied or moved, when fewer remain.
    [[nodiscard]] bool read(std::span<std::byte> out);
    [[nodiscard]] bool write(std::span<const std::byte> bytes);
    [[nodiscard]] bool skip(uint64_t bytes);

    // Appends the next at most `limit` bytes as iovecs (at most kMaxChainSegments in all) and moves
    // past them. Returns how many bytes that is.
    uint64_t gather(uint64_t limit, std::vector<iovec>& out);

    [[nodiscard]] uint64_t remaining() const { return remaining_; }

  private:
    // What remains of the current segment, empty ones skipped; empty at the end.
    std::span<std::byte> current();
    void advance(size_t bytes) {
        offset_ += bytes;
        remaining_ -= bytes;
    }

    std::span<const std::span<std::byte>> segments_;
    size_t index_ = 0;
    size_t offset_ = 0;
    uint64_t remaining_ = 0;
};

}  // namespace anchorhold::virtio
