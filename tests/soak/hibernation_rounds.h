// One named sandbox put away and taken back, again and again: its memory, its file and its counting
// process are there each time, and the service grows by nothing.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "soak/service_host.h"

namespace anchorhold::soak {

struct HibernationFigures {
    uint64_t done = 0;
    double seconds = 0;
    size_t descriptors = 0;      // of the service, with one sandbox awake
    uint64_t memory_before = 0;  // KiB of the service, after the warm-up
    uint64_t memory_after = 0;
};

// `folder` is furnished. An error is the soak's own: it cannot go on.
Result<HibernationFigures> run_hibernation_rounds(const std::string& folder, uint64_t rounds,
                                                  Faults& faults);

}  // namespace anchorhold::soak
