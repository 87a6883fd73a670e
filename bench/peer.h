// Which other VMMs take part, from how they are named on the command line to variants that boot.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/result.h"
#include "bench/invocation.h"
#include "bench/variant.h"
#include "supervisor/disk.h"

namespace anchorhold::bench {

struct PeerRequest {
    enum class Kind { kQemu, kFirecracker, kCloudHypervisor } kind = Kind::kQemu;
    std::string program;  // absolute path
    std::string kernel;  // instead of the guest kernel; empty: the same. Cloud Hypervisor needs one
                         // with virtio-pci
};

// "qemu", "qemu=PATH", "firecracker=PATH", "cloud-hypervisor=PATH,kernel=FILE": a kernel may follow
// any program.
[[nodiscard]] Result<PeerRequest> parse_peer(std::string_view text);

struct PeerSurroundings {
    GuestFiles files;  // without the disk
    GuestShape shape;
    supervisor::DiskRequest disk;  // of 0 bytes: none
    std::string folder;            // for sockets and configuration files; outlives the variant
};

// Asks the program for its version; an error when it cannot be run.
[[nodiscard]] Result<std::unique_ptr<Variant>> make_peer(EventLoop& loop,
                                                         const PeerRequest& request,
                                                         const PeerSurroundings& surroundings);

}  // namespace anchorhold::bench
