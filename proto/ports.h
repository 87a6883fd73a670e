// vsock ports, both sides. CIDs are fixed: the host is 2, every guest is 3 (virtio 1.2 §5.10.3).
#pragma once

#include <cstdint>

namespace anchorhold::proto {

constexpr uint64_t kHostCid = 2;
constexpr uint64_t kGuestCid = 3;

// On the host: init reports Ready here.
constexpr uint32_t kReadyPort = 1024;
// On the host, served by the sandbox's proxy and by its supervisor (proto/egress.proto).
constexpr uint32_t kEgressPort = 1025;
constexpr uint32_t kNoticePort = 1026;

// In the guest: init listens here.
constexpr uint32_t kControlPort = 1024;
constexpr uint32_t kExecPort = 1025;

constexpr uint32_t kProtocolVersion = 1;

}  // namespace anchorhold::proto
