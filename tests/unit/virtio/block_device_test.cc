#include "virtio/block/block_device.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

#include "guest_driver.h"

namespace anchorhold::virtio {
namespace {

using fakes::Direction;
using memory::GuestAddress;

// Answers at once, or holds every job until it is told.
class FakeDisk final : public Disk {
  public:
    enum class Mode : uint8_t { kAtOnce, kHold };

    [[nodiscard]] uint64_t capacity() const override { return 1 << 20; }
    void set_client(DiskClient* client) override { client_ = client; }
    std::optional<int> submit(DiskJob job) override {
        jobs.push_back(std::move(job));
        return mode == Mode::kAtOnce ? std::optional<int>(error) : std::nullopt;
    }
    void cancel_all() override {
        ++cancelled;
        jobs.clear();
    }
    void complete(size_t index, int with) { client_->disk_completed(jobs[index].tag, with); }

    Mode mode = Mode::kAtOnce;
    int error = 0;
    int cancelled = 0;
    std::vector<DiskJob> jobs;

  private:
    DiskClient* client_ = nullptr;
};

class BlockDeviceTest : public testing::Test {
  protected:
    struct Sent {
        GuestAddress data;
        GuestAddress status;
        uint16_t head = 0;
    };
    void SetUp() override { ASSERT_TRUE(driver_.start()); }

    Sent send(uint32_t type, uint64_t sector, uint32_t bytes, Direction direction) {
        const BlockRequestHeader header{type, 0U, sector};
        Sent sent{driver_.allocate(bytes + 1), driver_.place(fakes::to_bytes("\xff")), 0};
        std::vector<fakes::Buffer> buffers = {
            {driver_.place(fakes::raw(header)), sizeof header, Direction::kReadable}};
        if (bytes > 0) {
            buffers.push_back({sent.data, bytes, direction});
        }
        buffers.push_back({sent.status, 1, Direction::kWritable});
        sent.head = driver_.add(0, buffers);
        driver_.kick(0);
        return sent;
    }
    uint8_t status(const Sent& sent) { return bench_.memory->load<uint8_t>(sent.status).value(); }

    fakes::Bench bench_;
    FakeDisk disk_;
    BlockDevice device_{
        disk_, {DiskAccess::kReadWrite, "a-rather-long-disk-name"}, *bench_.loop, bench_.lock};
    MmioTransport transport_{device_, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock};
    fakes::GuestDriver driver_{bench_, transport_};
};

TEST_F(BlockDeviceTest, configuration_tells_capacity_and_limits) {
    EXPECT_EQ(driver_.read_config(0, 8), (1U << 20) / 512);
    EXPECT_EQ(driver_.read_config(12, 4), 126U);
    EXPECT_EQ(driver_.read_config(20, 4), 512U);
    EXPECT_EQ(driver_.read_config(36, 4), kMaxRangeSectors);
    EXPECT_EQ(driver_.read_config(40, 4), 1U);
    EXPECT_EQ(driver_.read_config(56, 1), 1U);
    EXPECT_EQ(driver_.read_config(60, 4), 0U) << "past the end";
    EXPECT_EQ(driver_.read_config(0xef8, 8), 0U);
}

TEST_F(BlockDeviceTest, features_of_read_only_and_read_write) {
    const BlockDevice read_only(disk_, {DiskAccess::kReadOnly, "x"}, *bench_.loop, bench_.lock);
    EXPECT_EQ(read_only.features(), (1U << 2) | (1U << 5) | (1U << 6));
    EXPECT_EQ(device_.features(), (1U << 2) | (1U << 6) | (1U << 9) | (1U << 13) | (1U << 14));
}

TEST_F(BlockDeviceTest, read_becomes_a_job_over_guest_memory) {
    const Sent sent = send(0, 3, 1024, Direction::kWritable);
    ASSERT_EQ(disk_.jobs.size(), 1U);
    EXPECT_EQ(disk_.jobs[0].kind, DiskJob::Kind::kRead);
    EXPECT_EQ(disk_.jobs[0].offset, 3 * 512U);
    EXPECT_EQ(disk_.jobs[0].length, 1024U);
    EXPECT_EQ(disk_.jobs[0].segments[0].iov_base, bench_.memory->slice(sent.data, 1)->data());
    EXPECT_EQ(driver_.pop_used(0)->length, 1025U);
    EXPECT_EQ(status(sent), 0);
    EXPECT_EQ(device_.counters().bytes_read, 1024U);
    EXPECT_EQ(bench_.irq.raised, 1);
}

TEST_F(BlockDeviceTest, write_flush_discard_and_zeroes_reach_the_disk) {
    send(1, 0, 512, Direction::kReadable);
    send(4, 0, 0, Direction::kReadable);
    send(11, 0, 16, Direction::kReadable);
    send(13, 0, 16, Direction::kReadable);
    ASSERT_EQ(disk_.jobs.size(), 4U);
    EXPECT_EQ(disk_.jobs[0].kind, DiskJob::Kind::kWrite);
    EXPECT_EQ(disk_.jobs[1].kind, DiskJob::Kind::kFlush);
    EXPECT_EQ(disk_.jobs[2].kind, DiskJob::Kind::kDiscard);
    EXPECT_EQ(disk_.jobs[3].kind, DiskJob::Kind::kWriteZeroes);
    EXPECT_EQ(device_.counters().bytes_written, 512U);
}

TEST_F(BlockDeviceTest, get_id_is_cut_and_needs_no_disk) {
    const Sent sent = send(8, 0, 20, Direction::kWritable);
    EXPECT_EQ(status(sent), 0);
    EXPECT_EQ(fakes::to_text(driver_.bytes_at(sent.data, 20)), "a-rather-long-disk-n");
    EXPECT_TRUE(disk_.jobs.empty());
}

TEST_F(BlockDeviceTest, read_past_the_capacity_never_reaches_the_disk) {
    const Sent sent = send(0, (1 << 20) / 512, 512, Direction::kWritable);
    EXPECT_EQ(status(sent), 1);
    EXPECT_TRUE(disk_.jobs.empty());
    EXPECT_EQ(device_.counters().errors, 1U);
}

TEST_F(BlockDeviceTest, host_error_answers_io_error) {
    disk_.error = ENOSPC;
    const Sent sent = send(1, 0, 512, Direction::kReadable);
    EXPECT_EQ(status(sent), 1);
    EXPECT_EQ(device_.counters().bytes_written, 0U);
}

TEST_F(BlockDeviceTest, jobs_complete_in_any_order) {
    disk_.mode = FakeDisk::Mode::kHold;
    const Sent first = send(0, 0, 512, Direction::kWritable);
    const Sent second = send(0, 1, 512, Direction::kWritable);
    EXPECT_EQ(device_.in_flight(), 2U);
    EXPECT_FALSE(driver_.pop_used(0).has_value());
    disk_.complete(1, 0);
    EXPECT_EQ(driver_.pop_used(0)->id, second.head);
    disk_.complete(0, EIO);
    EXPECT_EQ(driver_.pop_used(0)->id, first.head);
    EXPECT_EQ(status(first), 1);
    EXPECT_EQ(status(second), 0);
}

TEST_F(BlockDeviceTest, reset_with_jobs_in_flight_cancels_and_forgets) {
    disk_.mode = FakeDisk::Mode::kHold;
    const Sent sent = send(0, 0, 512, Direction::kWritable);
    const DiskJob old = disk_.jobs[0];
    driver_.write(0x70, 0);
    EXPECT_EQ(disk_.cancelled, 2) << "one at the first reset of start()";
    EXPECT_EQ(device_.in_flight(), 0U);
    ASSERT_TRUE(driver_.start());
    disk_.jobs.push_back(old);
    disk_.complete(0, 0);  // a completion from before the reset
    EXPECT_EQ(status(sent), 0xff);
    EXPECT_EQ(driver_.used_index(0), 0);
}

TEST_F(BlockDeviceTest, request_without_status_needs_reset) {
    const BlockRequestHeader header{4U, 0U, uint64_t{0}};
    driver_.add(0, {{driver_.place(fakes::raw(header)), sizeof header, Direction::kReadable}});
    driver_.kick(0);
    EXPECT_TRUE(driver_.needs_reset());
}

TEST_F(BlockDeviceTest, unknown_request_is_unsupported) {
    EXPECT_EQ(status(send(99, 0, 0, Direction::kReadable)), 2);
}

TEST_F(BlockDeviceTest, broken_chain_after_jobs_leaves_them_safe) {
    disk_.mode = FakeDisk::Mode::kHold;
    send(0, 0, 512, Direction::kWritable);
    driver_.make_available(0, 4000);
    driver_.kick(0);
    EXPECT_TRUE(driver_.needs_reset());
    const int raised = bench_.irq.raised;
    disk_.complete(0, 0);
    EXPECT_EQ(driver_.used_index(0), 0) << "a device that needs a reset uses no buffers";
    EXPECT_EQ(bench_.irq.raised, raised);
}

// A snapshot is taken while requests wait in the ring: the copy serves each once, the first
// machine's disk none of them again.
TEST_F(BlockDeviceTest, requests_made_while_the_machine_stood_still_are_served_once_by_the_copy) {
    const Sent before = send(0, 0, 512, Direction::kWritable);
    ASSERT_TRUE(driver_.pop_used(0).has_value());
    EXPECT_EQ(status(before), 0);
    const BlockRequestHeader header{0U, 0U, 8};
    std::vector<GuestAddress> answers;
    for (int i = 0; i < 3; ++i) {
        answers.push_back(driver_.place(fakes::to_bytes("\xff")));
        driver_.add(0, {{driver_.place(fakes::raw(header)), sizeof header, Direction::kReadable},
                        {driver_.allocate(512), 512, Direction::kWritable},
                        {answers.back(), 1, Direction::kWritable}});
    }
    EXPECT_EQ(device_.in_flight(), 0U);
    const MmioTransportState state = transport_.save();

    for (int copy = 0; copy < 2; ++copy) {
        FakeDisk disk;
        BlockDevice device(disk, {DiskAccess::kReadWrite, "copy"}, *bench_.loop, bench_.lock);
        MmioTransport transport(device, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock);
        const int raised = bench_.irq.raised;
        {
            const std::lock_guard guard(bench_.lock);
            ASSERT_TRUE(transport.restore(state));
            transport.reraise();
            transport.process_queue(0);
            transport.process_queue(0);  // as a kick would that came late
        }
        EXPECT_EQ(disk.jobs.size(), 3U) << copy;
        EXPECT_GT(bench_.irq.raised, raised);
        EXPECT_EQ(transport.save().queues[0].next_available, 4U);
        EXPECT_EQ(driver_.used_index(0), 4U);
    }
    EXPECT_EQ(disk_.jobs.size(), 1U);
    for (const GuestAddress answer : answers) {
        EXPECT_EQ(bench_.memory->load<uint8_t>(answer).value(), 0);
    }
}

}  // namespace
}  // namespace anchorhold::virtio
