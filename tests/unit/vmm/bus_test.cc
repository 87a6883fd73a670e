// Dispatch by address.
#include "vmm/devices/bus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace anchorhold::vmm {
namespace {

class Recorder final : public BusDevice {
  public:
    void read(uint64_t offset, std::span<std::byte> data) override {
        last = offset;
        std::fill(data.begin(), data.end(), std::byte{0x5a});
    }
    void write(uint64_t offset, std::span<const std::byte>) override { last = offset; }
    uint64_t last = UINT64_MAX;
};

TEST(Bus, access_reaches_the_device_with_its_offset) {
    Bus bus;
    Recorder low;
    Recorder high;
    bus.add(0x2000, 0x1000, high);
    bus.add(0x1000, 0x1000, low);
    std::array<std::byte, 4> data{};
    bus.read(0x1ffc, data);
    EXPECT_EQ(low.last, 0xffcU);
    EXPECT_EQ(data[0], std::byte{0x5a});
    bus.write(0x2000, data);
    EXPECT_EQ(high.last, 0U);
    EXPECT_EQ(bus.unknown_accesses(), 0U);
}

TEST(Bus, unclaimed_read_is_all_ones_and_counted) {
    Bus bus;
    Recorder device;
    bus.add(0x1000, 0x1000, device);
    std::array<std::byte, 2> data{};
    for (const uint64_t address : {uint64_t{0}, uint64_t{0xfff}, uint64_t{0x2000}, UINT64_MAX}) {
        data.fill(std::byte{0});
        bus.read(address, data);
        EXPECT_EQ(data[0], std::byte{0xff});
        EXPECT_EQ(data[1], std::byte{0xff});
    }
    EXPECT_EQ(bus.unknown_accesses(), 4U);
}

TEST(Bus, unclaimed_write_is_dropped_and_counted) {
    Bus bus;
    const std::array<std::byte, 1> data{};
    bus.write(7, data);
    EXPECT_EQ(bus.unknown_accesses(), 1U);
}

TEST(BusDeathTest, overlapping_ranges_are_a_bug) {
    Bus bus;
    Recorder device;
    bus.add(0x1000, 0x1000, device);
    EXPECT_DEATH(bus.add(0x1fff, 1, device), "check failed");
    EXPECT_DEATH(bus.add(0xfff, 2, device), "check failed");
}

}  // namespace
}  // namespace anchorhold::vmm
