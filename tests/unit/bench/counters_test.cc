#include "bench/counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

using testing::ElementsAre;
using testing::Pair;

// /proc and debugfs as of a VMM numbered 42.
class CountersTest : public testing::Test {
  protected:
    void SetUp() override {
        root_ = testing::TempDir() + "counters-" +
                testing::UnitTest::GetInstance()->current_test_info()->name() + "/";
        std::filesystem::remove_all(root_);
        put("proc/42/stat", "42 (a) b) S 1 2 3 4 5 6 70 8 9 10 11 12\n");
        put("proc/42/task/42/schedstat", "1000 5 6\n");
        put("proc/42/task/43/schedstat", "500 5 6\n");
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    void put(const std::string& path, const std::string& text) {
        std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
        ASSERT_TRUE(sys::write_file(root_ + path, text));
    }
    std::string root_;
};

TEST_F(CountersTest, process_with_a_strange_name_is_read) {
    EXPECT_THAT(read_counters(root_, 42),
                ElementsAre(Pair("cpu.vmm_ns", 1500U), Pair("faults.major", 9U),
                            Pair("faults.minor", 70U)));
}

TEST_F(CountersTest, statistics_are_those_of_its_own_vm) {
    put("sys/kernel/debug/kvm/42-9/exits", "12\n");
    put("sys/kernel/debug/kvm/42-9/hypercalls", "0\n");
    put("sys/kernel/debug/kvm/421-9/exits", "99\n");
    const Counters counters = read_counters(root_, 42);
    EXPECT_EQ(counters.at("kvm.exits"), 12U);
    EXPECT_EQ(counters.count("kvm.hypercalls"), 0U);
}

TEST_F(CountersTest, no_process_counts_nothing) {
    EXPECT_TRUE(read_counters(root_, 0).empty());
}

TEST(Counters, what_was_counted_before_does_not_count) {
    EXPECT_THAT(since({{"a", 5}, {"b", 7}}, {{"a", 6}, {"b", 7}, {"c", 3}}),
                ElementsAre(Pair("a", 1U), Pair("c", 3U)));
}

}  // namespace
}  // namespace anchorhold::bench
