// How the other VMMs are told to boot what we boot: their command lines and configuration, from
// their public documentation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace anchorhold::bench {

// What every VMM of a comparison boots. Paths are as the VMM's process sees them.
struct GuestFiles {
    std::string kernel;  // ELF vmlinux with a PVH note
    std::string initrd;
    std::string image;  // read-only root, the guest's first disk
    std::string disk;   // writable layer, its second; empty: none
};

struct GuestShape {
    uint32_t cpus = 1;
    uint64_t memory_bytes = 0;  // a multiple of 1 MiB
};

struct Invocation {
    std::vector<std::string> arguments;  // argv, the program first
    std::string
        configuration;  // to be written to the configuration path first; empty where there is none
};

// The kernel arguments that our own VMM gives, without its panic console and without what names its
// devices.
[[nodiscard]] std::string peer_kernel_arguments();

// QEMU's microvm machine with everything off that its documentation (docs/system/i386/microvm) says
// can be off: no PIT, PIC, RTC, serial port, ACPI, option ROMs; qboot as firmware; PVH entry;
// vhost-vsock with the given guest CID.
[[nodiscard]] Invocation qemu_invocation(const std::string& program, const GuestFiles& files,
                                         const GuestShape& shape, uint32_t guest_cid);

// Firecracker without its API server, all in one configuration file (docs/getting-started,
// docs/vsock).
[[nodiscard]] Invocation firecracker_invocation(const std::string& program, const GuestFiles& files,
                                                const GuestShape& shape,
                                                const std::string& vsock_path,
                                                const std::string& configuration_path);

// Cloud Hypervisor by its command line (README, docs/vsock, docs/memory). Its devices are on PCI:
// the kernel must have virtio-pci.
[[nodiscard]] Invocation cloud_hypervisor_invocation(const std::string& program,
                                                     const GuestFiles& files,
                                                     const GuestShape& shape,
                                                     const std::string& vsock_path);

}  // namespace anchorhold::bench
