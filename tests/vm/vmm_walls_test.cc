// What the VMM of a running guest is on its host.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

#include "base/sys.h"
#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

// A sandbox that has said that it is up, and its VMM's folder below /proc.
class VmmWalls : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(guest_.wait_for("up")) << guest_.output();
        const auto pid = vmm_of(guest_.pid());
        ASSERT_TRUE(pid);
        vmm_ = "/proc/" + std::to_string(*pid);
    }

    // A line of a status file behind its name and the white space.
    static std::string field(const std::filesystem::path& folder, const std::string& name) {
        std::istringstream lines(sys::read_file(folder / "status").value_or(""));
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(name + ":\t")) {
                return line.substr(name.size() + 2);
            }
        }
        return "no such line";
    }

    Running guest_ = Running::command({"sh", "-c", "echo up; exec sleep 1000"});
    std::filesystem::path vmm_;
};

TEST_F(VmmWalls, each_of_its_threads_has_a_filter_and_nothing_to_gain) {
    size_t threads = 0;
    for (const auto& thread : std::filesystem::directory_iterator(vmm_ / "task")) {
        ++threads;
        EXPECT_EQ(field(thread, "Seccomp"), "2");
        EXPECT_EQ(field(thread, "NoNewPrivs"), "1");
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
            EXPECT_EQ(field(thread, set), "0000000000000000") << set;
        }
    }
    EXPECT_GE(threads, 3U);  // the loop, a vCPU, a disk
}

TEST_F(VmmWalls, its_namespaces_are_its_own) {
    for (const char* kind : {"cgroup", "ipc", "mnt", "net", "pid", "uts"}) {
        const auto its = std::filesystem::read_symlink(vmm_ / "ns" / kind);
        EXPECT_NE(its, std::filesystem::read_symlink(std::string("/proc/self/ns/") + kind)) << kind;
    }
}

TEST_F(VmmWalls, its_root_is_empty_and_read_only) {
    EXPECT_TRUE(std::filesystem::is_empty(vmm_ / "root"));
    const std::string mounts = sys::read_file(vmm_ / "mounts").value_or("");
    EXPECT_TRUE(mounts.starts_with("none / tmpfs ro,")) << mounts;
    EXPECT_EQ(std::count(mounts.begin(), mounts.end(), '\n'), 1) << mounts;
}

TEST_F(VmmWalls, its_user_is_no_other_vmm_s) {
    Running other = Running::command({"sh", "-c", "echo up; exec sleep 1000"});
    ASSERT_TRUE(other.wait_for("up")) << other.output();
    const auto pid = vmm_of(other.pid());
    ASSERT_TRUE(pid);
    const std::string user = field(vmm_, "Uid");
    EXPECT_EQ(user, field(vmm_, "Gid"));
    EXPECT_EQ(field(vmm_, "Groups"), " ");
    EXPECT_NE(user, "0\t0\t0\t0");
    EXPECT_NE(user, field("/proc/" + std::to_string(*pid), "Uid"));
}

TEST_F(VmmWalls, it_leaves_no_core) {
    const std::string limits = sys::read_file(vmm_ / "limits").value_or("");
    const size_t at = limits.find("Max core file size");
    ASSERT_NE(at, std::string::npos);
    std::istringstream numbers(limits.substr(at + 18));
    std::string soft;
    std::string hard;
    numbers >> soft >> hard;
    EXPECT_EQ(soft + " " + hard, "0 0");
}

}  // namespace
}  // namespace anchorhold::vm_test
