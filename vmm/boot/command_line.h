// The kernel's command line: what every guest gets, the devices, and what the supervisor adds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace anchorhold::vmm {

// Where a virtio-mmio device is and which interrupt it has.
struct DevicePlace {
    uint64_t address;
    uint32_t interrupt;
};

// What the kernel prints while it boots, to port 0x3f8.
enum class KernelOutput : uint8_t { kPanicsOnly, kEverything };

// The devices are announced in the order given, which is the order Linux probes them in.
std::string kernel_command_line(KernelOutput output, std::span<const DevicePlace> devices,
                                std::string_view additional);

}  // namespace anchorhold::vmm
