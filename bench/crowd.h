// Many sandboxes at the same time: how long each waits for its answer when all are asked for at
// once, and what they hold while they are idle.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "bench/variant.h"
#include "proto/exec.pb.h"

namespace anchorhold::bench {

struct CrowdRequest {
    uint32_t count = 1;
    proto::ExecStart command;
    std::function<std::unique_ptr<Variant>()> make;
    std::function<void(uint32_t done)> on_progress;  // may be empty
};

// All requested at one moment, by one process.
struct Rush {
    StartKind start = StartKind::kCold;
    uint32_t count = 0;
    // Nanoseconds from that moment to the first byte of each that answered, ascending.
    std::vector<uint64_t> to_first_byte;
    std::string error;  // of the first that did not answer; empty: all did
};

// Started one after the other; each has answered once and is idle.
struct IdleCrowd {
    StartKind start = StartKind::kCold;
    uint32_t count = 0;
    uint32_t answered = 0;
    std::string error;            // of the first that did not answer
    uint64_t private_bytes = 0;   // of all their processes, guests included, together
    uint64_t pss_bytes = 0;       // likewise
    uint64_t available_fall = 0;  // by how much the host's MemAvailable fell; bytes
};

// Both run the loop, leave nothing running, and count what failed instead of failing.
[[nodiscard]] Result<Rush> start_at_once(EventLoop& loop, const CrowdRequest& request);
[[nodiscard]] Result<IdleCrowd> keep_idle(EventLoop& loop, const CrowdRequest& request);

}  // namespace anchorhold::bench
