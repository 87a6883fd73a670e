#include "virtio/block/file_disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "base/sys.h"
#include "guest_driver.h"

namespace anchorhold::virtio {
namespace {

class RecordingClient final : public DiskClient {
  public:
    void disk_completed(uint64_t tag, int error) override { ended[tag] = error; }
    std::map<uint64_t, int> ended;
};

class FileDiskTest : public testing::Test {
  protected:
    void open(uint64_t bytes, DiskAccess access = DiskAccess::kReadWrite) {
        auto file = sys::memfd("disk", bytes, MFD_ALLOW_SEALING);
        ASSERT_TRUE(file.has_value());
        file_ = sys::dup_cloexec(file->get()).value_or(OwnFd());
        FileDiskOptions options;
        options.access = access;
        options.name = "vdb";
        options.on_failure = [this](const std::string& detail) { failures_.push_back(detail); };
        auto disk =
            FileDisk::create(std::move(*file), std::move(options), *bench_.loop, bench_.lock);
        ASSERT_TRUE(disk.has_value()) << disk.error().message;
        disk_ = std::move(*disk);
        disk_->set_client(&client_);
    }
    // Submits and waits; the error it ended with.
    int run(DiskJob job) {
        const uint64_t tag = job.tag = next_tag_++;
        std::optional<int> ended;
        {
            const std::lock_guard guard(bench_.lock);
            ended = disk_->submit(std::move(job));
        }
        if (ended) {
            return *ended;
        }
        EXPECT_TRUE(bench_.run_until([&] { return client_.ended.contains(tag); }));
        return client_.ended[tag];
    }
    DiskJob transfer(DiskJob::Kind kind, uint64_t offset, std::span<std::byte> bytes) {
        DiskJob job;
        job.kind = kind;
        job.offset = offset;
        job.length = bytes.size();
        // In uneven pieces, so that short transfers cross them.
        const size_t cut = bytes.size() / 3;
        job.segments = {{bytes.data(), cut}, {bytes.data() + cut, bytes.size() - cut}};
        return job;
    }

    fakes::Bench bench_;
    RecordingClient client_;
    std::vector<std::string> failures_;
    OwnFd file_;
    std::unique_ptr<FileDisk> disk_;
    uint64_t next_tag_ = 1;
};

TEST_F(FileDiskTest, capacity_is_rounded_down_to_sectors) {
    open(1300);
    EXPECT_EQ(disk_->capacity(), 1024U);
}

TEST_F(FileDiskTest, file_below_one_sector_is_an_error_that_names_it) {
    auto file = sys::memfd("disk", 100);
    FileDiskOptions options;
    options.name = "vdq";
    const auto disk =
        FileDisk::create(std::move(*file), std::move(options), *bench_.loop, bench_.lock);
    ASSERT_FALSE(disk.has_value());
    EXPECT_NE(disk.error().message.find("vdq"), std::string::npos);
}

TEST_F(FileDiskTest, file_not_open_for_writing_is_an_error) {
    auto file = sys::memfd("disk", 4096);
    auto read_only = sys::open("/proc/self/fd/" + std::to_string(file->get()), O_RDONLY);
    FileDiskOptions options;
    options.access = DiskAccess::kReadWrite;
    EXPECT_FALSE(
        FileDisk::create(std::move(*read_only), std::move(options), *bench_.loop, bench_.lock));
}

TEST_F(FileDiskTest, what_was_written_is_read) {
    open(1 << 20);
    std::vector<std::byte> out(100 * 512);
    for (size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::byte>(i * 7);
    }
    std::vector<std::byte> in(out.size());
    EXPECT_EQ(run(transfer(DiskJob::Kind::kWrite, 512, out)), 0);
    EXPECT_EQ(run(transfer(DiskJob::Kind::kRead, 512, in)), 0);
    EXPECT_EQ(in, out);
    EXPECT_EQ(run({DiskJob::Kind::kFlush, 0, 0, {}, 0}), 0);
}

TEST_F(FileDiskTest, discard_punches_a_hole) {
    open(1 << 20);
    std::vector<std::byte> bytes(1 << 20, std::byte{1});
    ASSERT_EQ(run(transfer(DiskJob::Kind::kWrite, 0, bytes)), 0);
    struct stat before {};
    ASSERT_EQ(::fstat(file_.get(), &before), 0);
    EXPECT_EQ(run({DiskJob::Kind::kDiscard, 0, 512 << 10, {}, 0}), 0);
    EXPECT_EQ(run({DiskJob::Kind::kDiscard, 0, 0, {}, 0}), 0) << "nothing is nothing";
    struct stat after {};
    ASSERT_EQ(::fstat(file_.get(), &after), 0);
    EXPECT_LT(after.st_blocks, before.st_blocks);
    EXPECT_EQ(after.st_size, before.st_size);
}

TEST_F(FileDiskTest, write_zeroes_reads_back_as_zeros) {
    open(1 << 16);
    std::vector<std::byte> bytes(1 << 16, std::byte{1});
    ASSERT_EQ(run(transfer(DiskJob::Kind::kWrite, 0, bytes)), 0);
    EXPECT_EQ(run({DiskJob::Kind::kWriteZeroes, 512, 1024, {}, 0}), 0);
    ASSERT_EQ(run(transfer(DiskJob::Kind::kRead, 0, bytes)), 0);
    EXPECT_EQ(bytes[511], std::byte{1});
    EXPECT_EQ(bytes[512], std::byte{0});
    EXPECT_EQ(bytes[1535], std::byte{0});
    EXPECT_EQ(bytes[1536], std::byte{1});
}

TEST_F(FileDiskTest, file_that_shrank_is_an_io_error_reported_once) {
    open(1 << 16);
    ASSERT_EQ(::ftruncate(file_.get(), 4096), 0);
    std::vector<std::byte> bytes(8192);
    EXPECT_EQ(run(transfer(DiskJob::Kind::kRead, 0, bytes)), EIO);
    EXPECT_EQ(run(transfer(DiskJob::Kind::kRead, 8192, bytes)), EIO);
    ASSERT_EQ(failures_.size(), 1U);
    EXPECT_EQ(failures_[0], "read: Input/output error");
}

TEST_F(FileDiskTest, write_that_the_host_refuses_is_reported_once) {
    // A sealed memfd refuses every write, as a full disk does.
    open(1 << 16);
    ASSERT_EQ(::fcntl(file_.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
    std::vector<std::byte> bytes(512);
    EXPECT_EQ(run(transfer(DiskJob::Kind::kWrite, 0, bytes)), EPERM);
    EXPECT_EQ(run(transfer(DiskJob::Kind::kWrite, 0, bytes)), EPERM);
    ASSERT_EQ(failures_.size(), 1U);
    EXPECT_NE(failures_[0].find("write: "), std::string::npos);
}

TEST_F(FileDiskTest, cancel_all_tells_nobody_afterwards) {
    open(1 << 20);
    std::vector<std::byte> bytes(512);
    {
        const std::lock_guard guard(bench_.lock);
        for (uint64_t i = 0; i < 100; ++i) {
            DiskJob job{DiskJob::Kind::kFlush, 0, 0, {}, i};
            disk_->submit(std::move(job));
        }
        disk_->cancel_all();
    }
    bench_.settle();
    EXPECT_TRUE(client_.ended.empty());
}

TEST_F(FileDiskTest, destruction_with_completions_in_the_loop_is_safe) {
    open(1 << 20);
    {
        const std::lock_guard guard(bench_.lock);
        for (uint64_t i = 0; i < 20; ++i) {
            disk_->submit({DiskJob::Kind::kFlush, 0, 0, {}, i});
        }
    }
    disk_.reset();
    bench_.settle();
}

}  // namespace
}  // namespace anchorhold::virtio
