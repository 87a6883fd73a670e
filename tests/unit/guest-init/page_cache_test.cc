// The knobs, played by files.
#include "guest-init/uniqueness/page_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

class PageCacheTest : public testing::Test {
  protected:
    void SetUp() override {
        char path[] = "/tmp/anchorhold-proc-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        proc = path;
        std::filesystem::create_directories(proc + "/sys/vm");
        disk = sys::open(proc, O_RDONLY | O_DIRECTORY).value();
    }
    void TearDown() override { std::filesystem::remove_all(proc); }

    std::string proc;
    OwnFd disk;
};

TEST_F(PageCacheTest, both_knobs_are_turned) {
    const std::string drop = proc + "/sys/vm/drop_caches";
    const std::string compact = proc + "/sys/vm/compact_memory";
    ASSERT_TRUE(sys::write_file(drop, ""));
    ASSERT_TRUE(sys::write_file(compact, ""));
    const PageCache cache = PageCache::open(proc);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(cache.drop(disk.get()));
    }
    EXPECT_EQ(sys::read_file(drop).value(), "3");
    EXPECT_EQ(sys::read_file(compact).value(), "1");
}

TEST_F(PageCacheTest, kernel_without_knobs_is_no_failure) {
    EXPECT_TRUE(PageCache::open(proc).drop(disk.get()));
}

TEST_F(PageCacheTest, disk_that_cannot_be_written_back_is_one) {
    EXPECT_FALSE(PageCache::open(proc).drop(-1));
}

}  // namespace
}  // namespace anchorhold::guest_init
