// A host that runs out of memory gets back what waits: the pools hold it for nobody yet.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "supervisor/service/pool_making.h"
#include "supervisor/service/pools.h"
#include "supervisor/spec.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

// Memory pressure wakes nobody who may not write to /proc/pressure, so that it is looked at, for as
// long as something waits.
constexpr Duration kLook = 1s;
constexpr uint64_t kShellBytes = uint64_t{1} << 20;  // at least

}  // namespace

void Pools::watch_memory() {
    const bool waits = std::any_of(pools_.begin(), pools_.end(), [](const auto& each) {
        return each.second->parked() + each.second->shells() > 0;
    });
    if (stopped_ || !waits || memory_timer_ != 0) {
        return;
    }
    memory_timer_ = parts_.loop.add_timer(kLook, [this] {
        memory_timer_ = 0;
        give_back();
        watch_memory();
    });
}

// As many as the host lacks, from whichever pool holds the most; what they held comes back while
// the next second passes. Filling needs more than the floor, so that none is made again at once.
void Pools::give_back() {
    const uint64_t floor = parts_.limits.min_available_bytes;
    const uint64_t available = parts_.available_bytes();
    uint64_t expected = available;
    size_t ended = 0;
    while (expected < floor) {
        const auto fullest =
            std::max_element(pools_.begin(), pools_.end(), [](const auto& a, const auto& b) {
                return std::pair(a.second->parked(), a.second->shells()) <
                       std::pair(b.second->parked(), b.second->shells());
            });
        if (fullest == pools_.end()) {
            break;
        }
        const bool parked = fullest->second->parked() > 0;
        if (!fullest->second->give_up_one()) {
            break;
        }
        const auto info = parts_.engine.find_template(fullest->first);
        expected += parked && info ? parked_cost(*info) : kShellBytes;
        ++ended;
    }
    if (ended != 0) {
        schedule(kLook);
        log::warning("this host has {} of memory left, less than {}: {} that waited in pools ended",
                     supervisor::display_size(available), supervisor::display_size(floor), ended);
    }
}

}  // namespace anchorhold::service
