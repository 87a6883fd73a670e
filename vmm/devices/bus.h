// Address to device: one Bus for ports, one for memory-mapped registers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace anchorhold::vmm {

// Something that answers accesses in a range of addresses. `offset` counts from the start of the
// range; data is 1, 2, 4 or 8 bytes and may reach past the range's end. Called under the
// DeviceLock, on a vCPU's thread.
class BusDevice {
  public:
    virtual ~BusDevice() = default;
    virtual void read(uint64_t offset, std::span<std::byte> data) = 0;
    virtual void write(uint64_t offset, std::span<const std::byte> data) = 0;
};

// Accesses that no device claims read all ones, are dropped as writes, and are counted.
class Bus {
  public:
    // `device` outlives the bus. Ranges must not overlap and must not wrap around.
    void add(uint64_t start, uint64_t size, BusDevice& device);

    void read(uint64_t address, std::span<std::byte> data);
    void write(uint64_t address, std::span<const std::byte> data);

    [[nodiscard]] uint64_t unknown_accesses() const { return unknown_accesses_; }

  private:
    struct Range {
        uint64_t start;
        uint64_t size;
        BusDevice* device;
    };
    [[nodiscard]] const Range* find(uint64_t address) const;

    std::vector<Range> ranges_;  // by start
    uint64_t unknown_accesses_ = 0;
};

}  // namespace anchorhold::vmm
