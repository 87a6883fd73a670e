// One start of one variant, from the request to the end of its VMM.
#pragma once

#include <cstdint>

#include "base/event_loop.h"
#include "base/result.h"
#include "bench/counters.h"
#include "bench/phase.h"
#include "bench/variant.h"
#include "proto/exec.pb.h"

namespace anchorhold::bench {

struct Start {
    PhaseTimes times;
    uint64_t vmm_private_bytes = 0;  // a moment after the command ended, beside the guest's memory
    Counters counters = {};          // from the request to the first byte
};

// After variant.prepare(). Runs the loop until the VM is gone. An error when the command printed
// nothing, did not run or was lost; ETIMEDOUT when its end takes longer than `patience`.
[[nodiscard]] Result<Start> start_once(EventLoop& loop, Variant& variant,
                                       const proto::ExecStart& command, Duration patience);

}  // namespace anchorhold::bench
