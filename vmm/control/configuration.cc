// The other end is the supervisor, but its packet is checked like any other input.
#include "vmm/control/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proto/frame.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

constexpr size_t kMaxDiskId = 20;    // VIRTIO_BLK_ID_BYTES, virtio 1.2 §5.2.6
constexpr size_t kOtherDevices = 3;  // vsock, rng, balloon
constexpr int kMaxPorts = 64;

// Takes descriptor `index` out of the packet; an index may be named once.
Result<OwnFd> take(std::vector<OwnFd>& fds, uint32_t index, std::string_view field) {
    if (index >= fds.size() || !fds[index].valid()) {
        return fail(fmt::format("configuration: {} names descriptor {}, which is not in the packet",
                                field, index));
    }
    return std::move(fds[index]);
}

Status check_all_taken(const std::vector<OwnFd>& fds) {
    const bool unused =
        std::any_of(fds.begin(), fds.end(), [](const OwnFd& fd) { return fd.valid(); });
    return unused
               ? Status(fail("configuration: the packet carries a descriptor that no field names"))
               : Status();
}

Status check_numbers(uint32_t vcpus, uint64_t memory_bytes, size_t disks) {
    if (vcpus < 1 || vcpus > layout::kMaxVcpus) {
        return fail(
            fmt::format("configuration: {} vCPUs, must be 1 to {}", vcpus, layout::kMaxVcpus));
    }
    if (memory_bytes % layout::kPageSize != 0 || memory_bytes < layout::kMinMemory) {
        return fail(fmt::format(
            "configuration: {} bytes of memory, must be a multiple of 4096 and at least 64 MiB",
            memory_bytes));
    }
    if (disks > layout::kMaxDevices - kOtherDevices) {
        return fail(fmt::format("configuration: {} disks, at most {}", disks,
                                layout::kMaxDevices - kOtherDevices));
    }
    return {};
}

Status check_arguments(const std::string& kernel_arguments) {
    const bool printable = std::all_of(kernel_arguments.begin(), kernel_arguments.end(),
                                       [](char c) { return c >= 0x20 && c <= 0x7e; });
    if (!printable) {
        return fail("configuration: kernel arguments hold a byte that is not printable ASCII");
    }
    return {};
}

Result<DiskConfiguration> take_disk(const proto::Block& block, std::vector<OwnFd>& fds) {
    if (block.id().size() > kMaxDiskId) {
        return fail("configuration: disk id '" + block.id() + "' is longer than 20 bytes");
    }
    return DiskConfiguration{ANCHORHOLD_TRY(take(fds, block.fd(), "blocks.fd")),
                             block.read_only() ? DiskConfiguration::Access::kReadOnly
                                               : DiskConfiguration::Access::kReadWrite,
                             block.id()};
}

Result<ChannelConfiguration> take_channel(const proto::StreamChannel& channel,
                                          std::vector<OwnFd>& fds) {
    if (channel.ports_size() > kMaxPorts) {
        return fail(fmt::format("configuration: {} ports on one channel, at most {}",
                                channel.ports_size(), kMaxPorts));
    }
    return ChannelConfiguration{ANCHORHOLD_TRY(take(fds, channel.fd(), "stream_channels.fd")),
                                {channel.ports().begin(), channel.ports().end()}};
}

// Of Configure and of Restore.
template <typename Message>
Result<Attachments> take_attachments(const Message& message, std::vector<OwnFd>& fds) {
    Attachments attachments;
    for (const proto::Block& block : message.blocks()) {
        attachments.disks.push_back(ANCHORHOLD_TRY(take_disk(block, fds)));
    }
    for (const proto::StreamChannel& channel : message.stream_channels()) {
        attachments.channels.push_back(ANCHORHOLD_TRY(take_channel(channel, fds)));
    }
    return attachments;
}

template <typename Message>
Console console_of(const Message& message) {
    return message.console() ? Console::kForwarded : Console::kSilent;
}

Result<FirstPacket> boot(const proto::Configure& message, std::vector<OwnFd> fds) {
    const auto disks = static_cast<size_t>(message.blocks_size());
    ANCHORHOLD_TRY(check_numbers(message.vcpus(), message.memory_bytes(), disks));
    ANCHORHOLD_TRY(check_arguments(message.kernel_arguments()));
    BootConfiguration boot;
    boot.shell = {message.vcpus(),
                  message.memory_bytes(),
                  disks,
                  ANCHORHOLD_TRY(take(fds, message.kvm_fd(), "kvm_fd")),
                  console_of(message),
                  {}};
    boot.kernel_arguments = message.kernel_arguments();
    boot.kernel = ANCHORHOLD_TRY(take(fds, message.kernel_fd(), "kernel_fd"));
    boot.initrd = ANCHORHOLD_TRY(take(fds, message.initrd_fd(), "initrd_fd"));
    if (message.has_memory_fd()) {
        boot.memory = ANCHORHOLD_TRY(take(fds, message.memory_fd(), "memory_fd"));
    }
    boot.attachments = ANCHORHOLD_TRY(take_attachments(message, fds));
    ANCHORHOLD_TRY(check_all_taken(fds));
    return FirstPacket(std::move(boot));
}

Result<FirstPacket> shell(const proto::Prepare& message, std::vector<OwnFd> fds) {
    ANCHORHOLD_TRY(check_numbers(message.vcpus(), message.memory_bytes(), message.disks()));
    ShellConfiguration shell{
        message.vcpus(),     message.memory_bytes(),
        message.disks(),     ANCHORHOLD_TRY(take(fds, message.kvm_fd(), "kvm_fd")),
        console_of(message), {}};
    ANCHORHOLD_TRY(check_all_taken(fds));
    return FirstPacket(std::move(shell));
}

}  // namespace

Result<FirstPacket> parse_first_packet(Packet packet) {
    const auto command =
        ANCHORHOLD_TRY(proto::parse<proto::VmmCommand>(packet.bytes, "configuration"));
    if (command.has_configure()) {
        return boot(command.configure(), std::move(packet.fds));
    }
    if (command.has_prepare()) {
        return shell(command.prepare(), std::move(packet.fds));
    }
    return fail("configuration: the first command is another one");
}

Result<RestoreConfiguration> parse_restore(const proto::Restore& message, std::vector<OwnFd> fds) {
    RestoreConfiguration restore;
    restore.start = message.run() ? RestoreConfiguration::Start::kRunning
                                  : RestoreConfiguration::Start::kPaused;
    restore.state = ANCHORHOLD_TRY(take(fds, message.state_fd(), "state_fd"));
    if (message.has_memory_fd() == message.has_pager_fd() ||
        message.has_pager_fd() != message.has_userfaultfd_fd()) {
        return fail(
            "configuration: memory comes from memory_fd, or from pager_fd with "
            "userfaultfd_fd");
    }
    const auto optional = [&](bool has, uint32_t index, std::string_view field,
                              OwnFd& out) -> Status {
        if (has) {
            out = ANCHORHOLD_TRY(take(fds, index, field));
        }
        return {};
    };
    ANCHORHOLD_TRY(
        optional(message.has_memory_fd(), message.memory_fd(), "memory_fd", restore.memory));
    ANCHORHOLD_TRY(optional(message.has_working_set_fd(), message.working_set_fd(),
                            "working_set_fd", restore.working_set));
    ANCHORHOLD_TRY(optional(message.has_pager_fd(), message.pager_fd(), "pager_fd", restore.pager));
    ANCHORHOLD_TRY(optional(message.has_userfaultfd_fd(), message.userfaultfd_fd(),
                            "userfaultfd_fd", restore.userfaultfd));
    restore.attachments = ANCHORHOLD_TRY(take_attachments(message, fds));
    ANCHORHOLD_TRY(check_all_taken(fds));
    return restore;
}

}  // namespace anchorhold::vmm
