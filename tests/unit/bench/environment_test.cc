#include "bench/environment.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

class EnvironmentTest : public testing::Test {
  protected:
    EnvironmentTest() {
        std::string path = testing::TempDir() + "anchorhold-bench-environment.XXXXXX";
        root_ = std::string(::mkdtemp(path.data())) + "/";
    }
    ~EnvironmentTest() override { std::filesystem::remove_all(root_); }

    void put(const std::string& path, const std::string& text) {
        std::filesystem::create_directories((root_ + path).substr(0, (root_ + path).rfind('/')));
        ASSERT_TRUE(sys::write_file(root_ + path, text));
    }

    std::string root_;
};

TEST_F(EnvironmentTest, host_with_kvm_is_described) {
    put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu svm hypervisor\n");
    put("sys/module/kvm_amd/refcnt", "0\n");
    put("sys/kernel/rcu_expedited", "1\n");
    const Environment found = look_around(root_, "anchorhold 1");
    EXPECT_EQ(found.cpu, "Some CPU");
    EXPECT_EQ(found.kvm, "kvm_amd, nested");
    EXPECT_EQ(found.rcu, "expedited");
    EXPECT_EQ(found.version, "anchorhold 1");
    EXPECT_FALSE(found.kernel.empty());
    EXPECT_GT(found.processors, 0U);
}

TEST_F(EnvironmentTest, host_that_tells_nothing_is_unknown) {
    const Environment found = look_around(root_, "");
    EXPECT_EQ(found.cpu, "unknown");
    EXPECT_EQ(found.kvm, "unknown");
    EXPECT_EQ(found.rcu, "unknown");
}

}  // namespace
}  // namespace anchorhold::bench
