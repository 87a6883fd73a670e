// kill -9 at random points of what a service does: nothing of a completed operation is lost,
// nothing half-done is visible, and the next start cleans up.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "soak/service_host.h"

namespace anchorhold::soak {

struct KillFigures {
    uint64_t kills = 0;
    uint64_t restart_kills = 0;  // more, of a service that was just starting after one
    uint64_t answered = 0;       // operations that succeeded all the same
    uint64_t refused = 0;        // that failed with words
    uint64_t unanswered = 0;     // that their service took with it
    uint64_t missed = 0;         // points at which there was none of the process to kill
    double seconds = 0;
    std::map<std::string, uint64_t> by_operation;
    std::map<std::string, uint64_t> by_process;
};

// `folder` is furnished. An error is the soak's own: it cannot go on.
Result<KillFigures> run_kill_rounds(const std::string& folder, uint64_t kills, uint64_t seed,
                                    Faults& faults);

}  // namespace anchorhold::soak
