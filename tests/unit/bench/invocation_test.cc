#include "bench/invocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anchorhold::bench {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const GuestFiles kFiles{
    .kernel = "/k/vmlinux", .initrd = "/k/init.cpio", .image = "/i/tiny.erofs", .disk = "/d"};
const GuestShape kShape{.cpus = 2, .memory_bytes = uint64_t{128} << 20};

// The value behind the first occurrence of an option.
std::string value_of(const Invocation& invocation, const std::string& option) {
    for (size_t index = 0; index + 1 < invocation.arguments.size(); ++index) {
        if (invocation.arguments[index] == option) {
            return invocation.arguments[index + 1];
        }
    }
    return "(none)";
}

TEST(Invocation, qemu_boots_the_same_files_with_everything_else_off) {
    const Invocation qemu = qemu_invocation("/usr/bin/qemu", kFiles, kShape, 77);
    EXPECT_EQ(qemu.arguments.front(), "/usr/bin/qemu");
    EXPECT_THAT(value_of(qemu, "-M"), HasSubstr("microvm,accel=kvm,pit=off,pic=off,rtc=off"));
    EXPECT_EQ(value_of(qemu, "-smp"), "2");
    EXPECT_EQ(value_of(qemu, "-m"), "128M");
    EXPECT_EQ(value_of(qemu, "-kernel"), "/k/vmlinux");
    EXPECT_EQ(value_of(qemu, "-initrd"), "/k/init.cpio");
    EXPECT_EQ(value_of(qemu, "-append"), peer_kernel_arguments());
    EXPECT_THAT(qemu.arguments,
                Contains("if=none,id=root,format=raw,readonly=on,file=/i/tiny.erofs"));
    EXPECT_THAT(qemu.arguments, Contains("if=none,id=disk,format=raw,file=/d"));
    EXPECT_THAT(qemu.arguments, Contains("vhost-vsock-device,guest-cid=77"));
    EXPECT_THAT(qemu.arguments, Contains("-nodefaults"));
    EXPECT_TRUE(qemu.configuration.empty());
}

TEST(Invocation, qemu_without_a_disk_has_one_drive) {
    GuestFiles files = kFiles;
    files.disk.clear();
    const Invocation qemu = qemu_invocation("/usr/bin/qemu", files, kShape, 77);
    EXPECT_THAT(qemu.arguments, Not(Contains(HasSubstr("id=disk"))));
}

TEST(Invocation, firecracker_gets_one_configuration_file) {
    const Invocation firecracker =
        firecracker_invocation("/f", kFiles, kShape, "/t/v.sock", "/t/c.json");
    EXPECT_EQ(firecracker.arguments,
              (std::vector<std::string>{"/f", "--no-api", "--config-file", "/t/c.json"}));
    const auto configuration = nlohmann::json::parse(firecracker.configuration);
    EXPECT_EQ(configuration["boot-source"]["kernel_image_path"], "/k/vmlinux");
    EXPECT_EQ(configuration["boot-source"]["initrd_path"], "/k/init.cpio");
    EXPECT_EQ(configuration["boot-source"]["boot_args"], peer_kernel_arguments());
    EXPECT_EQ(configuration["machine-config"]["vcpu_count"], 2);
    EXPECT_EQ(configuration["machine-config"]["mem_size_mib"], 128);
    EXPECT_EQ(configuration["vsock"]["guest_cid"], 3);
    EXPECT_EQ(configuration["vsock"]["uds_path"], "/t/v.sock");
    ASSERT_EQ(configuration["drives"].size(), 2U);
    EXPECT_EQ(configuration["drives"][0]["path_on_host"], "/i/tiny.erofs");
    EXPECT_EQ(configuration["drives"][0]["is_read_only"], true);
    EXPECT_EQ(configuration["drives"][0]["is_root_device"], false);
    EXPECT_EQ(configuration["drives"][1]["path_on_host"], "/d");
    EXPECT_EQ(configuration["drives"][1]["is_read_only"], false);
}

TEST(Invocation, cloud_hypervisor_gets_a_command_line) {
    const Invocation cloud = cloud_hypervisor_invocation("/c", kFiles, kShape, "/t/v.sock");
    EXPECT_EQ(value_of(cloud, "--kernel"), "/k/vmlinux");
    EXPECT_EQ(value_of(cloud, "--initramfs"), "/k/init.cpio");
    EXPECT_EQ(value_of(cloud, "--cpus"), "boot=2");
    EXPECT_EQ(value_of(cloud, "--memory"), "size=128M");
    EXPECT_EQ(value_of(cloud, "--vsock"), "cid=3,socket=/t/v.sock");
    EXPECT_EQ(value_of(cloud, "--disk"), "path=/i/tiny.erofs,readonly=on");
    EXPECT_EQ(cloud.arguments.back(), "path=/d");
    // Its devices are on PCI.
    EXPECT_THAT(value_of(cloud, "--cmdline"), Not(HasSubstr("pci=off")));
}

}  // namespace
}  // namespace anchorhold::bench
