// The mount tables as data: what an agent must not be able to write or see.
#include "guest-init/mount_plan.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>

namespace anchorhold::guest_init {
namespace {

std::vector<Mount> all_of(UpperLayer upper) {
    std::vector<Mount> plan = layer_mounts(upper);
    for (const auto& part : {root_mounts("/root"), seal_mounts("/root")}) {
        plan.insert(plan.end(), part.begin(), part.end());
    }
    return plan;
}

// The flags that are in force at `target` once all is mounted.
unsigned long flags_at(const std::vector<Mount>& plan, const std::string& target) {
    unsigned long flags = 0;
    for (const Mount& entry : plan) {
        flags = entry.target == target ? entry.flags : flags;
    }
    return flags;
}

TEST(MountPlan, image_is_mounted_read_only_for_either_upper_layer) {
    for (const UpperLayer upper : {UpperLayer::kDisk, UpperLayer::kMemory}) {
        const auto plan = layer_mounts(upper);
        EXPECT_EQ(plan.front().target, kImagePoint);
        EXPECT_NE(plan.front().flags & MS_RDONLY, 0U);
        EXPECT_EQ(plan.back().target, kDiskPoint);
    }
    EXPECT_STREQ(layer_mounts(UpperLayer::kDisk).back().type, "ext4");
    EXPECT_STREQ(layer_mounts(UpperLayer::kMemory).back().type, "tmpfs");
}

TEST(MountPlan, kernel_interfaces_are_read_only_for_the_agent) {
    const auto plan = all_of(UpperLayer::kDisk);
    for (const char* target :
         {"/root/sys", "/root/sys/fs/cgroup", "/root/proc/sys", "/root/proc/sysrq-trigger",
          "/root/proc/sys/kernel/random/boot_id", "/root/etc/machine-id", "/root/etc/hostname"}) {
        EXPECT_NE(flags_at(plan, target) & MS_RDONLY, 0U) << target;
    }
}

TEST(MountPlan, devices_work_only_below_dev) {
    for (const Mount& entry : all_of(UpperLayer::kDisk)) {
        const bool binds = (entry.flags & MS_BIND) != 0 && (entry.flags & MS_REMOUNT) == 0;
        const bool has_devices = entry.target == "/root/dev" || entry.target == "/root/dev/pts";
        EXPECT_EQ((entry.flags & MS_NODEV) == 0, has_devices || binds) << entry.target;
    }
}

TEST(MountPlan, mount_points_come_after_what_they_lie_on) {
    const auto plan = all_of(UpperLayer::kDisk);
    const auto position = [&plan](const std::string& target) {
        return std::find_if(plan.begin(), plan.end(),
                            [&](const Mount& entry) { return entry.target == target; });
    };
    for (const Mount& entry : plan) {
        for (size_t slash = entry.target.rfind('/'); slash != 0 && slash != std::string::npos;
             slash = entry.target.rfind('/', slash - 1)) {
            const auto below = position(entry.target.substr(0, slash));
            if (below != plan.end()) {
                EXPECT_LT(below, position(entry.target)) << entry.target;
            }
        }
    }
}

TEST(MountPlan, required_mount_that_fails_is_named) {
    std::vector<std::string> warnings;
    const Status status =
        mount_all({{"nothing", "/proc/no/such/place", "no-such-type", 0, ""}}, warnings);
    ASSERT_FALSE(status.has_value());
    EXPECT_NE(status.error().message.find("nothing on /proc/no/such/place"), std::string::npos);
}

TEST(MountPlan, optional_mount_that_fails_is_a_warning) {
    std::vector<std::string> warnings;
    EXPECT_TRUE(mount_all(
        {{"nothing", "/proc/no/such/place", "no-such-type", 0, "", Importance::kOptional}},
        warnings));
    EXPECT_EQ(warnings.size(), 1U);
}

TEST(MountPlan, target_that_this_kernel_lacks_is_passed_over) {
    std::vector<std::string> warnings;
    EXPECT_TRUE(mount_all(
        {{"none", "/proc/no/such/place", nullptr, MS_BIND, "", Importance::kIfThere}}, warnings));
    EXPECT_TRUE(warnings.empty());
}

}  // namespace
}  // namespace anchorhold::guest_init
