// The other end is the supervisor, but its packet is checked like any other input.
#include "vmm/control/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "proto/frame.h"
#include "proto/vmm_control.pb.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

constexpr size_t kMaxDiskId = 20;  // VIRTIO_BLK_ID_BYTES, virtio 1.2 §5.2.6
constexpr int kOtherDevices = 3;   // vsock, rng, balloon
constexpr int kMaxPorts = 64;

// Takes descriptor `index` out of the packet; an index may be named once.
Result<OwnFd> take(std::vector<OwnFd>& fds, uint32_t index, std::string_view field) {
    if (index >= fds.size() || !fds[index].valid()) {
        return fail(fmt::format("configuration: {} names descriptor {}, which is not in the packet",
                                field, index));
    }
    return std::move(fds[index]);
}

Status check_numbers(const proto::Configure& message) {
    if (message.vcpus() < 1 || message.vcpus() > layout::kMaxVcpus) {
        return fail(fmt::format("configuration: {} vCPUs, must be 1 to {}", message.vcpus(),
                                layout::kMaxVcpus));
    }
    if (message.memory_bytes() % layout::kPageSize != 0 ||
        message.memory_bytes() < layout::kMinMemory) {
        return fail(fmt::format(
            "configuration: {} bytes of memory, must be a multiple of 4096 and at least 64 MiB",
            message.memory_bytes()));
    }
    if (message.blocks_size() > static_cast<int>(layout::kMaxDevices) - kOtherDevices) {
        return fail(fmt::format("configuration: {} disks, at most {}", message.blocks_size(),
                                layout::kMaxDevices - kOtherDevices));
    }
    const bool printable =
        std::all_of(message.kernel_arguments().begin(), message.kernel_arguments().end(),
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

}  // namespace

Result<Configuration> parse_configuration(Packet packet) {
    const auto command =
        ANCHORHOLD_TRY(proto::parse<proto::VmmCommand>(packet.bytes, "configuration"));
    if (!command.has_configure()) {
        return fail("configuration: the first command is another one");
    }
    const proto::Configure& message = command.configure();
    ANCHORHOLD_TRY(check_numbers(message));
    Configuration configuration{};
    configuration.vcpus = message.vcpus();
    configuration.memory_bytes = message.memory_bytes();
    configuration.kernel_arguments = message.kernel_arguments();
    configuration.console = message.console() ? Console::kForwarded : Console::kSilent;
    configuration.kvm = ANCHORHOLD_TRY(take(packet.fds, message.kvm_fd(), "kvm_fd"));
    configuration.kernel = ANCHORHOLD_TRY(take(packet.fds, message.kernel_fd(), "kernel_fd"));
    configuration.initrd = ANCHORHOLD_TRY(take(packet.fds, message.initrd_fd(), "initrd_fd"));
    for (const proto::Block& block : message.blocks()) {
        configuration.disks.push_back(ANCHORHOLD_TRY(take_disk(block, packet.fds)));
    }
    for (const proto::StreamChannel& channel : message.stream_channels()) {
        configuration.channels.push_back(ANCHORHOLD_TRY(take_channel(channel, packet.fds)));
    }
    const bool unused = std::any_of(packet.fds.begin(), packet.fds.end(),
                                    [](const OwnFd& fd) { return fd.valid(); });
    if (unused) {
        return fail("configuration: the packet carries a descriptor that no field names");
    }
    return configuration;
}

}  // namespace anchorhold::vmm
