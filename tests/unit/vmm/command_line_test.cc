// What the kernel is told.
#include "vmm/boot/command_line.h"

#include <gtest/gtest.h>

namespace anchorhold::vmm {
namespace {

TEST(CommandLine, devices_come_in_order_before_what_is_added) {
    const DevicePlace places[] = {{0xd0000000, 5}, {0xd0001000, 6}};
    const std::string line = kernel_command_line(KernelOutput::kPanicsOnly, places, "a=1");
    EXPECT_EQ(line.find("quiet "), 0U);
    EXPECT_NE(line.find(" reboot=k panic=-1 "), std::string::npos);
    EXPECT_TRUE(line.ends_with(
        " virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6 a=1"));
}

TEST(CommandLine, console_replaces_quiet) {
    const std::string line = kernel_command_line(KernelOutput::kEverything, {}, "");
    EXPECT_EQ(line.find("loglevel=7 "), 0U);
    EXPECT_EQ(line.find("quiet"), std::string::npos);
    EXPECT_NE(line.back(), ' ');
}

}  // namespace
}  // namespace anchorhold::vmm
