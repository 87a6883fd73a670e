// The supervisor's first packet, checked: everything a machine is made from, as owned descriptors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/seqpacket.h"

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

struct Configuration {
    uint32_t vcpus;         // 1 to layout::kMaxVcpus
    uint64_t memory_bytes;  // a multiple of the page size, at least layout::kMinMemory
    std::string kernel_arguments;
    OwnFd kvm;
    OwnFd kernel;
    OwnFd initrd;
    std::vector<DiskConfiguration> disks;
    std::vector<ChannelConfiguration> channels;
    Console console;
};

// Checks a packet that must hold proto::VmmCommand with configure set. Every descriptor of the
// packet must be used exactly once. Errors are one line that names the field.
Result<Configuration> parse_configuration(Packet packet);

}  // namespace anchorhold::vmm
