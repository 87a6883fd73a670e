// A machine's state as the VMM uses it, and its two ways: into the message of a state file, and
// back out of one that may be anything.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "virtio/balloon/balloon_device.h"
#include "virtio/mmio_transport.h"
#include "virtio/vsock/vsock_device.h"
#include "vmm/devices/serial_sink.h"
#include "vmm/kvm/vcpu_state.h"
#include "vmm/kvm/vm_state.h"

namespace anchorhold::vmm {

// Changes with the meaning of anything in proto/machine_state.proto.
constexpr uint32_t kMachineStateVersion = 1;

struct DiskIdentity {
    std::string id;
    enum class Access : uint8_t { kReadOnly, kReadWrite } access = Access::kReadOnly;
    uint64_t bytes = 0;

    friend bool operator==(const DiskIdentity&, const DiskIdentity&) = default;
};

struct DevicesState {
    std::vector<DiskIdentity> disks;
    std::vector<virtio::MmioTransportState> transports;  // in slot order
    virtio::VsockState streams;
    virtio::BalloonState balloon;
    SerialRegisters serial{};
};

struct MachineState {
    uint64_t memory_bytes = 0;
    std::vector<kvm::VcpuState> processors;
    kvm::VmState vm;
    DevicesState devices;
};

// The payload of a state file.
[[nodiscard]] std::string encode(const MachineState& state);

// Refuses what is malformed, of another version, or larger than this machine can be; the error says
// which part. What it returns is well-formed, not yet fitting: addresses, features and registers
// are judged by whoever takes them.
[[nodiscard]] Result<MachineState> decode_machine_state(std::string_view payload);

}  // namespace anchorhold::vmm
