// Where things lie in the guest's physical memory and interrupt space. Everything the VMM places is
// here.
#pragma once

#include <cstdint>

namespace anchorhold::vmm::layout {

constexpr uint64_t kPageSize = 4096;

// Boot data below 1 MiB; Linux has consumed it before it uses this memory for anything else.
constexpr uint64_t kStartInfo =
    0x6000;  // hvm_start_info, then the memory map, then the module list
constexpr uint64_t kCommandLine = 0x7000;
constexpr uint64_t kCommandLineMax = 2048;  // COMMAND_LINE_SIZE of Linux on x86, with the final NUL

// The last KiB of base memory, one of the places that the MP specification names (§4).
constexpr uint64_t kMpTable = 0x9fc00;
constexpr uint64_t kMpTableMax = 0x400;

// Where the kernel may be loaded: from here up.
constexpr uint64_t kHighMemory = 0x100000;

// The hole in RAM below 4 GiB: devices, IOAPIC, local APICs, KVM's real-mode pages.
constexpr uint64_t kDevices = 0xd0000000;  // virtio-mmio slots, one after another
constexpr uint64_t kDeviceSize = 0x1000;
constexpr uint64_t kIoApic = 0xfec00000;
constexpr uint64_t kLocalApic = 0xfee00000;
constexpr uint64_t kIdentityMap = 0xfffbc000;
constexpr uint64_t kTss = 0xfffbd000;  // three pages

// Devices take ISA interrupts from here up, one each: Linux maps those without ACPI or PCI.
constexpr uint32_t kFirstInterrupt = 5;
constexpr uint32_t kInterruptEnd = 16;
constexpr uint32_t kMaxDevices = kInterruptEnd - kFirstInterrupt;

constexpr uint32_t kMaxVcpus = 8;
constexpr uint64_t kMinMemory = 64ULL << 20;

}  // namespace anchorhold::vmm::layout
