// The first packet and Restore, good and bad.
#include "vmm/control/configuration.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/sys.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::vmm {
namespace {

proto::VmmCommand good() {
    proto::VmmCommand command;
    proto::Configure& configure = *command.mutable_configure();
    configure.set_vcpus(2);
    configure.set_memory_bytes(128 << 20);
    configure.set_kernel_arguments("a=b");
    configure.set_kvm_fd(0);
    configure.set_kernel_fd(1);
    configure.set_initrd_fd(2);
    proto::Block& block = *configure.add_blocks();
    block.set_fd(3);
    block.set_read_only(true);
    block.set_id("root");
    proto::StreamChannel& channel = *configure.add_stream_channels();
    channel.set_fd(4);
    channel.add_ports(1024);
    return command;
}

Packet packet(const proto::VmmCommand& command, size_t fds) {
    Packet out;
    out.bytes = command.SerializeAsString();
    for (size_t i = 0; i < fds; ++i) {
        out.fds.push_back(*sys::open("/dev/null", O_RDWR));
    }
    return out;
}

TEST(Configuration, good_packet_is_taken_apart) {
    const auto first = parse_first_packet(packet(good(), 5));
    ASSERT_TRUE(first) << first.error().message;
    const auto* boot = std::get_if<BootConfiguration>(&*first);
    ASSERT_NE(boot, nullptr);
    EXPECT_EQ(boot->shell.vcpus, 2U);
    EXPECT_EQ(boot->shell.memory_bytes, 128U << 20);
    EXPECT_EQ(boot->shell.disks, 1U);
    EXPECT_TRUE(boot->shell.kvm.valid());
    EXPECT_FALSE(boot->memory.valid());
    ASSERT_EQ(boot->attachments.disks.size(), 1U);
    EXPECT_EQ(boot->attachments.disks[0].access, DiskConfiguration::Access::kReadOnly);
    ASSERT_EQ(boot->attachments.channels.size(), 1U);
    EXPECT_EQ(boot->attachments.channels[0].ports, std::vector<uint32_t>{1024});
    EXPECT_EQ(boot->shell.console, Console::kSilent);
}

TEST(Configuration, shell_has_no_more_than_its_shape) {
    proto::VmmCommand command;
    command.mutable_prepare()->set_vcpus(1);
    command.mutable_prepare()->set_memory_bytes(64 << 20);
    command.mutable_prepare()->set_disks(2);
    const auto first = parse_first_packet(packet(command, 1));
    ASSERT_TRUE(first) << first.error().message;
    const auto* shell = std::get_if<ShellConfiguration>(&*first);
    ASSERT_NE(shell, nullptr);
    EXPECT_EQ(shell->disks, 2U);
    EXPECT_FALSE(parse_first_packet(packet(command, 2)));
    command.mutable_prepare()->set_disks(9);
    EXPECT_FALSE(parse_first_packet(packet(command, 1)));
}

proto::Restore good_restore() {
    proto::Restore restore;
    restore.set_state_fd(0);
    restore.set_memory_fd(1);
    restore.add_blocks()->set_fd(2);
    restore.set_run(true);
    return restore;
}

std::vector<OwnFd> descriptors(size_t count) {
    return packet({}, count).fds;
}

TEST(Configuration, restore_is_taken_apart) {
    const auto restore = parse_restore(good_restore(), descriptors(3));
    ASSERT_TRUE(restore) << restore.error().message;
    EXPECT_EQ(restore->start, RestoreConfiguration::Start::kRunning);
    EXPECT_TRUE(restore->memory.valid());
    EXPECT_FALSE(restore->working_set.valid());
    EXPECT_EQ(restore->attachments.disks.size(), 1U);
}

TEST(Configuration, restore_with_a_descriptor_too_many_or_too_few_is_refused) {
    EXPECT_FALSE(parse_restore(good_restore(), descriptors(2)));
    EXPECT_FALSE(parse_restore(good_restore(), descriptors(4)));
}

TEST(Configuration, restore_takes_memory_from_one_place) {
    proto::Restore both = good_restore();
    both.set_pager_fd(3);
    both.set_userfaultfd_fd(4);
    EXPECT_FALSE(parse_restore(both, descriptors(5)));
    proto::Restore neither = good_restore();
    neither.clear_memory_fd();
    EXPECT_FALSE(parse_restore(neither, descriptors(3)));
    proto::Restore half = good_restore();
    half.clear_memory_fd();
    half.set_pager_fd(1);
    EXPECT_FALSE(parse_restore(half, descriptors(3)));
}

TEST(Configuration, bytes_that_are_no_message_are_refused) {
    Packet broken;
    broken.bytes = "\xff\xff\xff";
    EXPECT_FALSE(parse_first_packet(std::move(broken)));
}

struct Bad {
    const char* name;
    std::function<void(proto::VmmCommand&)> spoil;
    size_t fds;
    const char* message;
};

class ConfigurationBad : public testing::TestWithParam<Bad> {};

TEST_P(ConfigurationBad, packet_is_refused_naming_the_field) {
    auto command = good();
    GetParam().spoil(command);
    const auto configuration = parse_first_packet(packet(command, GetParam().fds));
    ASSERT_FALSE(configuration);
    EXPECT_NE(configuration.error().message.find(GetParam().message), std::string::npos)
        << configuration.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Table, ConfigurationBad,
    testing::Values(
        Bad{"other_command", [](auto& c) { c.mutable_get_statistics(); }, 5, "first command"},
        Bad{"no_vcpus", [](auto& c) { c.mutable_configure()->set_vcpus(0); }, 5, "0 vCPUs"},
        Bad{"many_vcpus", [](auto& c) { c.mutable_configure()->set_vcpus(9); }, 5, "9 vCPUs"},
        Bad{"odd_memory", [](auto& c) { c.mutable_configure()->set_memory_bytes((64 << 20) + 1); },
            5, "memory"},
        Bad{"small_memory", [](auto& c) { c.mutable_configure()->set_memory_bytes(32 << 20); }, 5,
            "memory"},
        Bad{"control_bytes", [](auto& c) { c.mutable_configure()->set_kernel_arguments("a\nb"); },
            5, "kernel arguments"},
        Bad{"missing_fd", [](auto&) {}, 4, "stream_channels.fd"},
        Bad{"fd_twice", [](auto& c) { c.mutable_configure()->set_initrd_fd(1); }, 5, "initrd_fd"},
        Bad{"unnamed_fd", [](auto&) {}, 6, "no field names"},
        Bad{"long_id",
            [](auto& c) { c.mutable_configure()->mutable_blocks(0)->set_id(std::string(21, 'x')); },
            5, "longer than 20"},
        Bad{"many_disks",
            [](auto& c) {
                for (int i = 0; i < 8; ++i) {
                    c.mutable_configure()->add_blocks();
                }
            },
            5, "disks"}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace anchorhold::vmm
