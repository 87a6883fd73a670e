// The supervisor's packets that say what a machine is, checked: everything it is made from, as
// owned descriptors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/seqpacket.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::vmm {

// A disk of the guest's, in the guest's order.
struct DiskConfiguration {
    OwnFd file;
    enum class Access : uint8_t { kReadOnly, kReadWrite } access;
    std::string id;  // at most 20 bytes
};

// Where the streams go that the guest opens to any of `ports`.
struct ChannelConfiguration {
    OwnFd socket;
    std::vector<uint32_t> ports;
};

enum class Console : uint8_t { kSilent, kForwarded };

// What can exist before it is known which guest it is for.
struct ShellConfiguration {
    uint32_t vcpus = 1;         // 1 to layout::kMaxVcpus
    uint64_t memory_bytes = 0;  // a multiple of the page size, at least layout::kMinMemory
    size_t disks = 0;
    OwnFd kvm;
    Console console = Console::kSilent;
    OwnFd pagemap;  // this process's own, from before nothing could be opened any more
};

// The host's ends of the devices.
struct Attachments {
    std::vector<DiskConfiguration> disks;
    std::vector<ChannelConfiguration> channels;
};

// A machine that boots.
struct BootConfiguration {
    ShellConfiguration shell;
    Attachments attachments;
    std::string kernel_arguments;
    OwnFd kernel;
    OwnFd initrd;
    OwnFd memory;  // empty in the packet: the session makes one
};

// What a shell becomes.
struct RestoreConfiguration {
    enum class Start : uint8_t { kPaused, kRunning } start = Start::kRunning;
    Attachments attachments;
    OwnFd state;
    OwnFd memory;       // empty: memory comes from the pager
    OwnFd working_set;  // empty: nothing is populated
    OwnFd pager;
    OwnFd userfaultfd;
};

using FirstPacket = std::variant<BootConfiguration, ShellConfiguration>;

// Checks a packet that must hold proto::VmmCommand with configure or prepare set. Every descriptor
// of the packet must be used exactly once. Errors are one line that names the field.
Result<FirstPacket> parse_first_packet(Packet packet);

// The same for Restore.
Result<RestoreConfiguration> parse_restore(const proto::Restore& message, std::vector<OwnFd> fds);

}  // namespace anchorhold::vmm
