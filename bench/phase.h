// The phases of a start. Parts follow one another without gaps, so that they add up to the whole;
// spans are sums of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "supervisor/timeline.h"

namespace anchorhold::bench {

enum class Phase {
    kPrepare,
    kSpawn,
    kCreateVm,
    kCreate,
    kHandOver,
    kLoad,
    kMap,
    kPopulate,
    kState,
    kPrefault,
    kEnter,
    kKernel,
    kInit,
    kResume,
    kExec,
    kFirstByte,
    kToInit,
    kToAgent,
    kToResumed,
    kToFirstByte,
};
constexpr size_t kPhaseCount = 20;

struct PhaseInfo {
    Phase phase;
    std::string_view key;    // in JSON and in messages
    std::string_view title;  // in the table
    enum class Kind { kPart, kSpan } kind;
};

// In the order of events; PhaseInfo i is of the phase whose value is i.
[[nodiscard]] std::span<const PhaseInfo> phases();
[[nodiscard]] const PhaseInfo& info(Phase phase);

// One start, in nanoseconds. What a VMM does not tell about itself is missing, and so is what is no
// part of this kind of start: a restored guest boots no kernel.
using PhaseTimes = std::array<std::optional<uint64_t>, kPhaseCount>;

// Cuts a start into its phases; milestones that are 0 were not seen. What happened before the
// request was prepared for whoever would come: it is no part of the start. A phase whose end was
// read from the guest's clock a little before its beginning on the host's is 0.
[[nodiscard]] PhaseTimes cut(const supervisor::Timeline& timeline);

}  // namespace anchorhold::bench
