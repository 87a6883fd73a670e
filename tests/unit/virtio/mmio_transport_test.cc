#include "virtio/mmio_transport.h"

#include <gtest/gtest.h>

#include <array>

#include "guest_driver.h"
#include "virtio/rng/rng_device.h"

namespace anchorhold::virtio {
namespace {

class MmioTransportTest : public testing::Test {
  protected:
    fakes::Bench bench_;
    RngDevice device_{*bench_.loop, bench_.lock};
    MmioTransport transport_{device_, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock};
    fakes::GuestDriver driver_{bench_, transport_};
};

TEST_F(MmioTransportTest, identification_registers_name_the_device) {
    EXPECT_EQ(driver_.read(0x000), 0x74726976U);
    EXPECT_EQ(driver_.read(0x004), 2U);
    EXPECT_EQ(driver_.read(0x008), 4U);
    EXPECT_NE(driver_.read(0x00c), 0U);
}

TEST_F(MmioTransportTest, features_are_offered_in_two_words) {
    EXPECT_EQ(driver_.offered_features(),
              kFeatureVersion1 | kFeatureEventIndex | kFeatureIndirectDescriptors);
    driver_.write(0x14, 2);
    EXPECT_EQ(driver_.read(0x10), 0U);
}

TEST_F(MmioTransportTest, shared_memory_regions_do_not_exist) {
    driver_.write(0xac, 0);
    for (const uint64_t offset : {0xb0U, 0xb4U, 0xb8U, 0xbcU}) {
        EXPECT_EQ(driver_.read(offset), UINT32_MAX);
    }
}

TEST_F(MmioTransportTest, features_not_offered_are_not_accepted) {
    EXPECT_FALSE(driver_.negotiate(kFeatureVersion1 | (uint64_t{1} << 34)));
    EXPECT_EQ(driver_.read(0x70), kStatusAcknowledge | kStatusDriver);
}

TEST_F(MmioTransportTest, legacy_driver_is_not_accepted) {
    EXPECT_FALSE(driver_.negotiate(kFeatureEventIndex));
}

TEST_F(MmioTransportTest, features_are_fixed_after_features_ok) {
    ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
    driver_.write(0x24, 0);
    driver_.write(0x20, 0xffffffff);
    EXPECT_EQ(transport_.save().driver_features, kFeatureVersion1);
}

TEST_F(MmioTransportTest, status_bits_out_of_order_are_dropped) {
    driver_.write(0x70, kStatusDriver);
    EXPECT_EQ(driver_.read(0x70), 0U);
    driver_.write(0x70, kStatusAcknowledge);
    driver_.write(0x70, kStatusAcknowledge | kStatusDriverOk);
    EXPECT_EQ(driver_.read(0x70), kStatusAcknowledge);
}

TEST_F(MmioTransportTest, status_bits_are_cleared_by_reset_only) {
    ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
    const uint32_t before = driver_.read(0x70);
    driver_.write(0x70, kStatusAcknowledge);
    EXPECT_EQ(driver_.read(0x70), before);
    driver_.write(0x70, 0);
    EXPECT_EQ(driver_.read(0x70), 0U);
}

TEST_F(MmioTransportTest, failed_may_be_set_at_any_time) {
    driver_.write(0x70, kStatusAcknowledge);
    driver_.write(0x70, kStatusAcknowledge | kStatusFailed);
    EXPECT_EQ(driver_.read(0x70), kStatusAcknowledge | kStatusFailed);
}

TEST_F(MmioTransportTest, start_activates_and_reset_undoes_everything) {
    ASSERT_TRUE(driver_.start());
    EXPECT_EQ(driver_.read(0x44), 1U);
    driver_.write(0x70, 0);
    EXPECT_EQ(driver_.read(0x70), 0U);
    EXPECT_EQ(driver_.read(0x44), 0U);
    EXPECT_EQ(transport_.save().driver_features, 0U);
    EXPECT_TRUE(driver_.start()) << "and again";
}

TEST_F(MmioTransportTest, queue_selected_outside_has_size_zero) {
    driver_.write(0x30, 1);
    EXPECT_EQ(driver_.read(0x34), 0U);
    EXPECT_EQ(driver_.read(0x44), 0U);
    driver_.write(0x30, UINT32_MAX);
    EXPECT_EQ(driver_.read(0x34), 0U);
    driver_.write(0x44, 1);
}

// CVE-2026-5747: queue registers written after activation moved a live queue.
TEST_F(MmioTransportTest, queue_registers_after_activation_are_dropped) {
    ASSERT_TRUE(driver_.start());
    const QueueConfig before = transport_.save().queues[0].config;
    driver_.write(0x30, 0);
    for (const uint64_t offset : {0x38U, 0x80U, 0x84U, 0x90U, 0x94U, 0xa0U, 0xa4U}) {
        driver_.write(offset, 0xfffffff0);
    }
    driver_.write(0x44, 0);
    const QueueConfig after = transport_.save().queues[0].config;
    EXPECT_EQ(after.size, before.size);
    EXPECT_EQ(after.ready, before.ready);
    EXPECT_EQ(after.descriptors, before.descriptors);
    EXPECT_EQ(after.available, before.available);
    EXPECT_EQ(after.used, before.used);
    // And it still works where it was.
    const auto buffer = driver_.allocate(16);
    driver_.add(0, {{buffer, 16, fakes::Direction::kWritable}});
    driver_.kick(0);
    EXPECT_TRUE(driver_.pop_used(0).has_value());
}

TEST_F(MmioTransportTest, queue_registers_of_a_ready_queue_are_dropped) {
    ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
    driver_.set_up_queue(0, 16);
    driver_.write(0x38, 8);
    driver_.write(0x80, 0x5000);
    EXPECT_EQ(transport_.save().queues[0].config.size, 16);
    EXPECT_NE(transport_.save().queues[0].config.descriptors, 0x5000U);
    driver_.write(0x44, 0);
    driver_.write(0x38, 8);
    EXPECT_EQ(transport_.save().queues[0].config.size, 8);
}

struct BadQueue {
    const char* name;
    uint32_t size;
    uint64_t descriptors;
    uint64_t available;
    uint64_t used;
};

class BadQueueTest : public MmioTransportTest, public testing::WithParamInterface<BadQueue> {};

TEST_P(BadQueueTest, activation_needs_reset) {
    const BadQueue& bad = GetParam();
    ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
    driver_.write(0x30, 0);
    driver_.write(0x38, bad.size);
    const auto write_address = [this](uint64_t low, uint64_t address) {
        driver_.write(low, static_cast<uint32_t>(address));
        driver_.write(low + 4, static_cast<uint32_t>(address >> 32));
    };
    write_address(0x80, bad.descriptors);
    write_address(0x90, bad.available);
    write_address(0xa0, bad.used);
    driver_.write(0x44, 1);
    driver_.write(0x70, driver_.read(0x70) | kStatusDriverOk);
    EXPECT_TRUE(driver_.needs_reset());
    EXPECT_EQ(driver_.read(0x60), 2U) << "a configuration change says so";
    driver_.write(0x50, 0);
    bench_.settle();
    EXPECT_TRUE(driver_.start()) << "a reset makes it well";
}

constexpr uint64_t kRam = 16 << 20;
INSTANTIATE_TEST_SUITE_P(
    MmioTransport, BadQueueTest,
    testing::Values(BadQueue{"size_zero", 0, 0x1000, 0x2000, 0x3000},
                    BadQueue{"size_odd", 3, 0x1000, 0x2000, 0x3000},
                    BadQueue{"size_too_large", 32, 0x1000, 0x2000, 0x3000},
                    BadQueue{"size_wraps", 0x10010, 0x1000, 0x2000, 0x3000},
                    BadQueue{"table_misaligned", 16, 0x1008, 0x2000, 0x3000},
                    BadQueue{"available_misaligned", 16, 0x1000, 0x2001, 0x3000},
                    BadQueue{"used_misaligned", 16, 0x1000, 0x2000, 0x3002},
                    BadQueue{"table_past_ram", 16, kRam - 16, 0x2000, 0x3000},
                    BadQueue{"available_past_ram", 16, 0x1000, kRam - 4, 0x3000},
                    BadQueue{"used_past_ram", 16, 0x1000, 0x2000, kRam},
                    BadQueue{"used_wraps", 16, 0x1000, 0x2000, ~uint64_t{15}}),
    [](const auto& parameter) { return parameter.param.name; });

TEST_F(MmioTransportTest, register_access_of_wrong_width_or_alignment_is_dropped) {
    std::array<std::byte, 8> bytes{};
    bytes.fill(std::byte{0xff});
    for (const size_t width : {size_t{1}, size_t{2}, size_t{8}}) {
        transport_.read(0x000, std::span(bytes).first(width));
        EXPECT_EQ(bytes[0], std::byte{0});
        bytes.fill(std::byte{0xff});
        transport_.write(0x70, std::span(bytes).first(width));
    }
    transport_.write(0x72, std::span(bytes).first(4));
    transport_.read(0x1000, std::span(bytes).first(4));
    EXPECT_EQ(driver_.read(0x70), 0U);
    EXPECT_EQ(transport_.refused_accesses(), 8U);
}

TEST_F(MmioTransportTest, interrupt_status_stays_until_acknowledged) {
    ASSERT_TRUE(driver_.start());
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kWritable}});
    driver_.kick(0);
    EXPECT_EQ(bench_.irq.raised, 1);
    EXPECT_EQ(driver_.read(0x60), 1U);
    driver_.write(0x64, 2);
    EXPECT_EQ(driver_.read(0x60), 1U);
    driver_.write(0x64, 1);
    EXPECT_EQ(driver_.read(0x60), 0U);
}

TEST_F(MmioTransportTest, notify_register_reaches_the_queue_on_the_loop) {
    ASSERT_TRUE(driver_.start());
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kWritable}});
    driver_.write(0x50, 0);
    EXPECT_FALSE(driver_.pop_used(0).has_value()) << "not on the vCPU's thread";
    bench_.settle();
    EXPECT_TRUE(driver_.pop_used(0).has_value());
    driver_.write(0x50, 77);
    bench_.settle();
}

TEST_F(MmioTransportTest, kick_before_driver_ok_is_ignored) {
    ASSERT_TRUE(driver_.negotiate(kFeatureVersion1));
    driver_.set_up_queue(0, 16);
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kWritable}});
    driver_.kick(0);
    driver_.write(0x50, 0);
    bench_.settle();
    EXPECT_FALSE(driver_.pop_used(0).has_value());
    driver_.write(0x70, driver_.read(0x70) | kStatusDriverOk);
    bench_.settle();
    EXPECT_TRUE(driver_.pop_used(0).has_value()) << "but nothing was lost";
}

TEST_F(MmioTransportTest, broken_chain_needs_reset_and_the_device_comes_back) {
    ASSERT_TRUE(driver_.start());
    driver_.make_available(0, 999);
    driver_.kick(0);
    EXPECT_TRUE(driver_.needs_reset());
    EXPECT_EQ(driver_.read(0x60) & 2, 2U);
    EXPECT_EQ(transport_.faults(), 1U);
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kWritable}});
    driver_.kick(0);
    EXPECT_FALSE(driver_.pop_used(0).has_value()) << "it stopped";
    ASSERT_TRUE(driver_.start());
    EXPECT_FALSE(driver_.needs_reset());
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kWritable}});
    driver_.kick(0);
    EXPECT_TRUE(driver_.pop_used(0).has_value());
}

TEST_F(MmioTransportTest, restore_brings_registers_and_queues_back) {
    ASSERT_TRUE(driver_.start());
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kWritable}});
    driver_.kick(0);
    ASSERT_TRUE(driver_.pop_used(0).has_value());
    const MmioTransportState state = transport_.save();
    EXPECT_EQ(state.interrupt_status, 1U);

    RngDevice device(*bench_.loop, bench_.lock);
    MmioTransport restored(device, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock);
    ASSERT_TRUE(restored.restore(state));
    driver_.attach(restored);
    const int before = bench_.irq.raised;
    restored.reraise();
    EXPECT_EQ(bench_.irq.raised, before + 1);
    driver_.add(0, {{driver_.allocate(16), 16, fakes::Direction::kWritable}});
    driver_.kick(0);
    EXPECT_TRUE(driver_.pop_used(0).has_value());
}

TEST_F(MmioTransportTest, restore_of_foreign_state_is_an_error) {
    ASSERT_TRUE(driver_.start());
    MmioTransportState state = transport_.save();
    state.queues.emplace_back();
    RngDevice device(*bench_.loop, bench_.lock);
    MmioTransport restored(device, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock);
    EXPECT_FALSE(restored.restore(state));
    state = transport_.save();
    state.driver_features |= 1;
    EXPECT_FALSE(restored.restore(state));
    state = transport_.save();
    state.queues[0].config.used = kRam;
    EXPECT_FALSE(restored.restore(state));
}

}  // namespace
}  // namespace anchorhold::virtio
