#include "virtio/queue.h"

#include <gtest/gtest.h>

#include <array>

#include "guest_driver.h"
#include "virtio/device.h"

namespace anchorhold::virtio {
namespace {

using fakes::Buffer;
using fakes::Direction;
using memory::GuestAddress;

// A device with one queue that does nothing by itself: the tests hold the queue.
class QuietDevice final : public Device {
  public:
    [[nodiscard]] DeviceType type() const override { return DeviceType::kEntropy; }
    [[nodiscard]] uint64_t features() const override { return 0; }
    [[nodiscard]] std::span<const uint16_t> queue_sizes() const override { return sizes_; }
    void read_config(uint64_t offset, std::span<std::byte> out) const override {
        copy_config({}, offset, out);
    }
    void write_config(uint64_t, std::span<const std::byte>) override {}
    void activate(const Activation& activation) override { queue = &activation.queues[0]; }
    void reset() override { queue = nullptr; }
    void process_queue(size_t) override {}

    Queue* queue = nullptr;

  private:
    std::array<uint16_t, 1> sizes_ = {8};
};

class QueueTest : public testing::Test {
  protected:
    void start(uint64_t features) {
        ASSERT_TRUE(driver_.start(kFeatureVersion1 | features));
        ASSERT_NE(device_.queue, nullptr);
    }
    Queue& queue() { return *device_.queue; }
    Buffer readable(uint32_t length) {
        return {driver_.allocate(length), length, Direction::kReadable};
    }
    Buffer writable(uint32_t length) {
        return {driver_.allocate(length), length, Direction::kWritable};
    }
    // Puts one descriptor at index 0 in front of the device and expects the queue to stop.
    void expect_broken(const Descriptor& descriptor) {
        driver_.set_descriptor(0, 0, descriptor);
        driver_.make_available(0, 0);
        EXPECT_FALSE(queue().pop(chain_));
        EXPECT_TRUE(queue().broken());
        EXPECT_FALSE(queue().fault().empty());
    }

    fakes::Bench bench_;
    QuietDevice device_;
    MmioTransport transport_{device_, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock};
    fakes::GuestDriver driver_{bench_, transport_};
    DescriptorChain chain_;
};

TEST_F(QueueTest, pop_splits_a_chain_by_direction) {
    start(0);
    const uint16_t head = driver_.add(0, {readable(16), readable(4), writable(512), writable(1)});
    ASSERT_TRUE(queue().pop(chain_));
    EXPECT_EQ(chain_.head, head);
    EXPECT_EQ(chain_.readable.size(), 2U);
    EXPECT_EQ(chain_.writable.size(), 2U);
    EXPECT_EQ(chain_.readable_size, 20U);
    EXPECT_EQ(chain_.writable_size, 513U);
    EXPECT_FALSE(queue().pop(chain_));
    EXPECT_FALSE(queue().broken());
}

TEST_F(QueueTest, pop_follows_an_indirect_table) {
    start(kFeatureIndirectDescriptors);
    const std::array buffers = {readable(16), writable(64)};
    driver_.add_indirect(0, buffers);
    ASSERT_TRUE(queue().pop(chain_));
    EXPECT_EQ(chain_.readable_size, 16U);
    EXPECT_EQ(chain_.writable_size, 64U);
}

TEST_F(QueueTest, pop_follows_descriptors_before_an_indirect_one) {
    start(kFeatureIndirectDescriptors);
    const Descriptor inner{driver_.allocate(8).value(), 8, kDescriptorWrite, uint16_t{0}};
    const GuestAddress table = driver_.place(fakes::raw(inner));
    driver_.set_descriptor(0, 0, {driver_.allocate(4).value(), 4, kDescriptorNext, uint16_t{1}});
    driver_.set_descriptor(0, 1, {table.value(), 16, kDescriptorIndirect, uint16_t{0}});
    driver_.make_available(0, 0);
    ASSERT_TRUE(queue().pop(chain_));
    EXPECT_EQ(chain_.readable_size, 4U);
    EXPECT_EQ(chain_.writable_size, 8U);
}

TEST_F(QueueTest, used_buffers_show_only_after_publish) {
    start(0);
    const uint16_t head = driver_.add(0, {writable(8)});
    ASSERT_TRUE(queue().pop(chain_));
    queue().add_used(chain_.head, 8);
    EXPECT_FALSE(driver_.pop_used(0).has_value());
    EXPECT_TRUE(queue().publish());
    const auto used = driver_.pop_used(0);
    ASSERT_TRUE(used.has_value());
    EXPECT_EQ(used->id, head);
    EXPECT_EQ(used->length, 8U);
    EXPECT_FALSE(queue().publish()) << "an empty batch needs no notification";
}

TEST_F(QueueTest, indices_wrap_around_many_times) {
    start(kFeatureEventIndex);
    const Buffer buffer = writable(8);
    for (int i = 0; i < 70'000; ++i) {
        driver_.add(0, {buffer});
        ASSERT_TRUE(queue().pop(chain_));
        queue().add_used(chain_.head, 1);
        ASSERT_TRUE(queue().publish()) << i;
        ASSERT_TRUE(driver_.pop_used(0).has_value());
    }
}

TEST_F(QueueTest, unpop_gives_the_chain_again) {
    start(0);
    const uint16_t first = driver_.add(0, {writable(8)});
    driver_.add(0, {writable(8)});
    ASSERT_TRUE(queue().pop(chain_));
    ASSERT_TRUE(queue().pop(chain_));
    queue().unpop(2);
    ASSERT_TRUE(queue().pop(chain_));
    EXPECT_EQ(chain_.head, first);
    EXPECT_EQ(queue().in_flight(), 1);
}

TEST_F(QueueTest, publish_with_event_index_notifies_once_per_batch_that_crosses_it) {
    start(kFeatureEventIndex);
    driver_.set_used_event(0, 1);  // "tell me when the second one is used"
    for (int i = 0; i < 3; ++i) {
        driver_.add(0, {writable(8)});
    }
    ASSERT_TRUE(queue().pop(chain_));
    queue().add_used(chain_.head, 0);
    EXPECT_FALSE(queue().publish());
    ASSERT_TRUE(queue().pop(chain_));
    queue().add_used(chain_.head, 0);
    EXPECT_TRUE(queue().publish());
    ASSERT_TRUE(queue().pop(chain_));
    queue().add_used(chain_.head, 0);
    EXPECT_FALSE(queue().publish());
}

TEST_F(QueueTest, publish_without_event_index_obeys_no_interrupt) {
    start(0);
    driver_.set_available_flags(0, 1);
    driver_.add(0, {writable(8)});
    ASSERT_TRUE(queue().pop(chain_));
    queue().add_used(chain_.head, 0);
    EXPECT_FALSE(queue().publish());
}

TEST_F(QueueTest, enable_notifications_sees_a_buffer_whose_kick_was_suppressed) {
    start(0);
    queue().disable_notifications();
    EXPECT_EQ(driver_.used_flags(0), 1);
    driver_.add(0, {writable(8)});
    EXPECT_FALSE(driver_.kick_if_wanted(0));
    EXPECT_TRUE(queue().enable_notifications()) << "the lost kick";
    EXPECT_EQ(driver_.used_flags(0), 0);
    ASSERT_TRUE(queue().pop(chain_));
    EXPECT_FALSE(queue().enable_notifications());
}

TEST_F(QueueTest, enable_notifications_with_event_index_asks_for_the_next_buffer) {
    start(kFeatureEventIndex);
    driver_.add(0, {writable(8)});
    ASSERT_TRUE(queue().pop(chain_));
    EXPECT_FALSE(queue().enable_notifications());
    EXPECT_EQ(driver_.available_event(0), 1);
    driver_.add(0, {writable(8)});
    EXPECT_TRUE(driver_.kick_if_wanted(0));
}

TEST_F(QueueTest, available_index_far_ahead_stops_the_queue) {
    start(0);
    driver_.set_available_index(0, 9);  // of 8 entries
    EXPECT_FALSE(queue().pop(chain_));
    EXPECT_TRUE(queue().broken());
    EXPECT_FALSE(queue().active());
}

TEST_F(QueueTest, available_index_that_went_back_stops_the_queue) {
    start(0);
    driver_.add(0, {writable(8)});
    ASSERT_TRUE(queue().pop(chain_));
    driver_.set_available_index(0, 0);
    EXPECT_FALSE(queue().pop(chain_));
    EXPECT_TRUE(queue().broken());
}

TEST_F(QueueTest, more_in_flight_than_the_queue_holds_stops_it) {
    start(0);
    for (uint16_t i = 0; i < 8; ++i) {
        driver_.add(0, {writable(8)});
        ASSERT_TRUE(queue().pop(chain_));
    }
    driver_.make_available(0, 0);  // again, though the device still has it
    EXPECT_FALSE(queue().pop(chain_));
    EXPECT_TRUE(queue().broken());
}

TEST_F(QueueTest, head_outside_the_table_stops_the_queue) {
    start(0);
    driver_.make_available(0, 8);
    EXPECT_FALSE(queue().pop(chain_));
    EXPECT_TRUE(queue().broken());
}

TEST_F(QueueTest, next_outside_the_table_stops_the_queue) {
    start(0);
    expect_broken({driver_.allocate(8).value(), 8, kDescriptorNext, uint16_t{8}});
}

TEST_F(QueueTest, chain_in_a_circle_stops_the_queue) {
    start(0);
    expect_broken({driver_.allocate(8).value(), 8, kDescriptorNext, uint16_t{0}});
}

TEST_F(QueueTest, buffer_outside_ram_stops_the_queue) {
    start(0);
    expect_broken({bench_.memory->size() - 4, 8, uint16_t{0}, uint16_t{0}});
}

TEST_F(QueueTest, buffer_that_wraps_the_address_space_stops_the_queue) {
    start(0);
    expect_broken({UINT64_MAX - 3, 8, kDescriptorWrite, uint16_t{0}});
}

TEST_F(QueueTest, readable_after_writable_stops_the_queue) {
    start(0);
    driver_.set_descriptor(0, 1, {driver_.allocate(8).value(), 8, uint16_t{0}, uint16_t{0}});
    expect_broken({driver_.allocate(8).value(), 8,
                   static_cast<uint16_t>(kDescriptorNext | kDescriptorWrite), uint16_t{1}});
}

TEST_F(QueueTest, indirect_without_the_feature_stops_the_queue) {
    start(0);
    expect_broken({driver_.allocate(16).value(), 16, kDescriptorIndirect, uint16_t{0}});
}

TEST_F(QueueTest, indirect_with_next_stops_the_queue) {
    start(kFeatureIndirectDescriptors);
    expect_broken({driver_.allocate(16).value(), 16,
                   static_cast<uint16_t>(kDescriptorIndirect | kDescriptorNext), uint16_t{1}});
}

TEST_F(QueueTest, nested_indirect_stops_the_queue) {
    start(kFeatureIndirectDescriptors);
    const Descriptor inner{driver_.allocate(16).value(), 16, kDescriptorIndirect, uint16_t{0}};
    expect_broken({driver_.place(fakes::raw(inner)).value(), 16, kDescriptorIndirect, uint16_t{0}});
}

TEST_F(QueueTest, indirect_table_of_odd_length_stops_the_queue) {
    start(kFeatureIndirectDescriptors);
    expect_broken({driver_.allocate(32).value(), 17, kDescriptorIndirect, uint16_t{0}});
}

TEST_F(QueueTest, empty_indirect_table_stops_the_queue) {
    start(kFeatureIndirectDescriptors);
    expect_broken({driver_.allocate(32).value(), 0, kDescriptorIndirect, uint16_t{0}});
}

TEST_F(QueueTest, indirect_table_outside_ram_stops_the_queue) {
    start(kFeatureIndirectDescriptors);
    expect_broken({bench_.memory->size(), 16, kDescriptorIndirect, uint16_t{0}});
}

TEST_F(QueueTest, indirect_table_longer_than_any_chain_stops_the_queue) {
    start(kFeatureIndirectDescriptors);
    std::vector<Buffer> buffers(kMaxChainSegments + 1, readable(1));
    driver_.add_indirect(0, buffers);
    EXPECT_FALSE(queue().pop(chain_));
    EXPECT_TRUE(queue().broken());
}

TEST_F(QueueTest, chain_of_more_than_4_gib_stops_the_queue) {
    start(kFeatureIndirectDescriptors);
    const auto most = static_cast<uint32_t>(bench_.memory->size());
    const std::vector<Buffer> buffers(512, Buffer{GuestAddress(0), most, Direction::kReadable});
    driver_.add_indirect(0, buffers);
    EXPECT_FALSE(queue().pop(chain_));
    EXPECT_TRUE(queue().broken());
}

TEST_F(QueueTest, restore_continues_where_save_stopped) {
    start(kFeatureEventIndex);
    driver_.add(0, {writable(8)});
    driver_.add(0, {writable(8)});
    ASSERT_TRUE(queue().pop(chain_));
    queue().add_used(chain_.head, 8);
    EXPECT_TRUE(queue().publish());
    const QueueState state = queue().save();

    Queue other(8);
    other.config() = state.config;
    ASSERT_TRUE(other.activate(*bench_.memory, kFeatureVersion1 | kFeatureEventIndex));
    ASSERT_TRUE(other.restore(state));
    ASSERT_TRUE(other.pop(chain_));
    other.add_used(chain_.head, 8);
    EXPECT_FALSE(other.publish()) << "the driver asked for the first one only, and heard of it";
    EXPECT_EQ(driver_.used_index(0), 2);
}

TEST_F(QueueTest, restore_of_impossible_indices_is_an_error) {
    start(0);
    QueueState state = queue().save();
    state.next_available = 100;
    EXPECT_FALSE(queue().restore(state));
}

}  // namespace
}  // namespace anchorhold::virtio
