#include "virtio/rng/rng_device.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "guest_driver.h"

namespace anchorhold::virtio {
namespace {

class RngDeviceTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(driver_.start()); }

    fakes::Bench bench_;
    RngDevice device_{*bench_.loop, bench_.lock};
    MmioTransport transport_{device_, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock};
    fakes::GuestDriver driver_{bench_, transport_};
};

TEST_F(RngDeviceTest, buffer_is_filled_with_something) {
    const auto buffer = driver_.allocate(256);
    driver_.add(0,
                {{buffer, 100, fakes::Direction::kWritable},
                 {memory::GuestAddress(buffer.value() + 100), 156, fakes::Direction::kWritable}});
    driver_.kick(0);
    const auto used = driver_.pop_used(0);
    ASSERT_TRUE(used.has_value());
    EXPECT_EQ(used->length, 256U);
    const auto bytes = driver_.bytes_at(buffer, 256);
    EXPECT_LT(std::count(bytes.begin(), bytes.end(), std::byte{0}), 32);
    EXPECT_EQ(device_.bytes_given(), 256U);
}

TEST_F(RngDeviceTest, large_request_is_cut_at_its_bound) {
    const auto buffer = driver_.allocate(1 << 20);
    driver_.add(0, {{buffer, 1 << 20, fakes::Direction::kWritable}});
    driver_.kick(0);
    const auto used = driver_.pop_used(0);
    ASSERT_TRUE(used.has_value());
    EXPECT_EQ(used->length, kMaxEntropyRequest);
    const auto rest =
        driver_.bytes_at(memory::GuestAddress(buffer.value() + kMaxEntropyRequest), 64);
    EXPECT_TRUE(
        std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(RngDeviceTest, readable_buffer_needs_reset) {
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kReadable}});
    driver_.kick(0);
    EXPECT_TRUE(driver_.needs_reset());
}

}  // namespace
}  // namespace anchorhold::virtio
