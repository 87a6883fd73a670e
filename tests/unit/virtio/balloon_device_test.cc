#include "virtio/balloon/balloon_device.h"

#include <gtest/gtest.h>

#include "guest_driver.h"

namespace anchorhold::virtio {
namespace {

using memory::GuestAddress;

constexpr size_t kInflate = 0;
constexpr size_t kDeflate = 1;
constexpr size_t kReporting = 2;
constexpr uint64_t kPage = 4096;

class BalloonDeviceTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(driver_.start()); }

    void send_pages(size_t queue, const std::vector<uint32_t>& pages) {
        const auto bytes = std::as_bytes(std::span(pages));
        driver_.add(queue, {{driver_.place(bytes), static_cast<uint32_t>(bytes.size()),
                             fakes::Direction::kReadable}});
        driver_.kick(queue);
    }
    void dirty(uint64_t page) {
        ASSERT_TRUE(bench_.memory->store(GuestAddress(page * kPage), uint64_t{0x1234}));
    }
    uint64_t word(uint64_t page) {
        return bench_.memory->load<uint64_t>(GuestAddress(page * kPage)).value_or(1);
    }

    fakes::Bench bench_;
    BalloonDevice device_{*bench_.memory, *bench_.loop, bench_.lock};
    MmioTransport transport_{device_, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock};
    fakes::GuestDriver driver_{bench_, transport_};
};

TEST_F(BalloonDeviceTest, offers_deflate_on_oom_and_reporting_only) {
    EXPECT_EQ(device_.features(), (1U << 2) | (1U << 5));
}

TEST_F(BalloonDeviceTest, inflate_discards_pages_in_any_order) {
    for (const uint64_t page : {3000U, 3001U, 3002U, 2999U, 3100U}) {
        dirty(page);
    }
    send_pages(kInflate, {3002, 3001, 3000, 3100, 2999});
    ASSERT_TRUE(driver_.pop_used(kInflate).has_value());
    for (const uint64_t page : {3000U, 3001U, 3002U, 2999U, 3100U}) {
        EXPECT_EQ(word(page), 0U) << page;
    }
    EXPECT_EQ(device_.counters().discarded_bytes, 5 * kPage);
}

TEST_F(BalloonDeviceTest, inflate_of_pages_outside_ram_is_counted_and_answered) {
    send_pages(kInflate, {4096, 0xc0000, UINT32_MAX});
    EXPECT_TRUE(driver_.pop_used(kInflate).has_value());
    EXPECT_EQ(device_.counters().refused_pages, 3U);
    EXPECT_FALSE(driver_.needs_reset());
}

TEST_F(BalloonDeviceTest, deflate_is_answered_and_touches_nothing) {
    dirty(3000);
    send_pages(kDeflate, {3000});
    EXPECT_TRUE(driver_.pop_used(kDeflate).has_value());
    EXPECT_EQ(word(3000), 0x1234U);
}

TEST_F(BalloonDeviceTest, page_array_past_the_bound_needs_reset) {
    send_pages(kInflate, std::vector<uint32_t>(4097, 3000));
    EXPECT_TRUE(driver_.needs_reset());
}

TEST_F(BalloonDeviceTest, page_array_with_a_fraction_needs_reset) {
    driver_.add(kInflate, {{driver_.allocate(8), 6, fakes::Direction::kReadable}});
    driver_.kick(kInflate);
    EXPECT_TRUE(driver_.needs_reset());
}

TEST_F(BalloonDeviceTest, reported_pages_are_discarded) {
    dirty(3072);
    dirty(3073);
    driver_.add(kReporting, {{GuestAddress(3072 * kPage), 2 * kPage, fakes::Direction::kWritable}});
    driver_.kick(kReporting);
    EXPECT_TRUE(driver_.pop_used(kReporting).has_value());
    EXPECT_EQ(word(3072), 0U);
    EXPECT_EQ(word(3073), 0U);
    EXPECT_EQ(device_.counters().reported_bytes, 2 * kPage);
}

TEST_F(BalloonDeviceTest, target_changes_the_configuration_and_signals) {
    const uint32_t generation = driver_.read(0xfc);
    device_.set_target(100);
    EXPECT_EQ(driver_.read_config(0, 4), 100U);
    EXPECT_NE(driver_.read(0xfc), generation);
    EXPECT_EQ(driver_.read(0x60), 2U);
    device_.set_target(UINT64_MAX);
    EXPECT_EQ(driver_.read_config(0, 4), bench_.memory->size() / kPage);
}

TEST_F(BalloonDeviceTest, target_that_stays_the_same_signals_nothing) {
    device_.set_target(0);
    EXPECT_EQ(bench_.irq.raised, 0);
}

TEST_F(BalloonDeviceTest, actual_is_what_the_driver_writes_within_reason) {
    driver_.write_config(4, 7);
    EXPECT_EQ(driver_.read_config(4, 4), 7U);
    EXPECT_EQ(device_.counters().held_bytes, 7 * kPage);
    driver_.write_config(4, UINT32_MAX);
    EXPECT_EQ(device_.counters().held_bytes, bench_.memory->size());
    driver_.write_config(0, 9);
    EXPECT_EQ(driver_.read_config(0, 4), 0U) << "num_pages is the device's";
}

TEST_F(BalloonDeviceTest, state_survives_save_and_restore) {
    device_.set_target(5);
    driver_.write_config(4, 3);
    BalloonDevice other(*bench_.memory, *bench_.loop, bench_.lock);
    other.restore(device_.save());
    EXPECT_EQ(other.save().target_pages, 5U);
    EXPECT_EQ(other.counters().held_bytes, 3 * kPage);
}

}  // namespace
}  // namespace anchorhold::virtio
