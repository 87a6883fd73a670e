#include "bench/phase.h"

#include <gtest/gtest.h>

namespace anchorhold::bench {
namespace {

supervisor::Timeline whole_timeline() {
    supervisor::Timeline at;
    at.requested = 1000;
    at.spawned = 1010;
    at.vmm_main = 1020;
    at.configured = 1030;
    at.created = 1080;
    at.loaded = 1100;
    at.running = 1105;
    at.init_started = 1200;
    at.init_ready = 1230;
    at.ready = 1231;
    at.exec = 1260;
    at.first_byte = 1300;
    at.create_vm = 40;
    return at;
}

uint64_t time_of(const PhaseTimes& times, Phase phase) {
    return times[static_cast<size_t>(phase)].value_or(~uint64_t{0});
}

uint64_t sum_of_parts(const PhaseTimes& times) {
    uint64_t sum = 0;
    for (const PhaseInfo& phase : phases()) {
        if (phase.kind == PhaseInfo::Kind::kPart) {
            sum += times[static_cast<size_t>(phase.phase)].value_or(0);
        }
    }
    return sum;
}

// Restored with nothing prepared.
supervisor::Timeline restored_timeline() {
    supervisor::Timeline at;
    at.requested = 1000;
    at.spawned = 1010;
    at.handed = 1015;
    at.vmm_main = 1030;
    at.created = 1070;
    at.create_vm = 25;
    at.configured = 1072;
    at.mapped = 1080;
    at.populated = 1100;
    at.restored = 1130;
    at.running = 1131;
    at.resumed = 1160;
    at.exec = 1200;
    at.first_byte = 1250;
    return at;
}

TEST(Phase, parts_of_a_restored_start_add_up_to_it) {
    const PhaseTimes times = cut(restored_timeline());
    EXPECT_EQ(sum_of_parts(times), 250U);
    EXPECT_EQ(time_of(times, Phase::kToFirstByte), 250U);
    EXPECT_EQ(time_of(times, Phase::kCreateVm), 25U);
    EXPECT_EQ(time_of(times, Phase::kCreate), 15U);
    EXPECT_EQ(time_of(times, Phase::kHandOver), 2U);
    EXPECT_EQ(time_of(times, Phase::kPopulate), 20U);
    EXPECT_EQ(time_of(times, Phase::kToResumed), 160U);
    EXPECT_FALSE(times[static_cast<size_t>(Phase::kKernel)]);
}

TEST(Phase, nested_page_tables_filled_ahead_are_a_part) {
    supervisor::Timeline at = restored_timeline();
    at.prefaulted = at.restored + 1;
    const PhaseTimes times = cut(at);
    EXPECT_EQ(time_of(times, Phase::kPrefault), 1U);
    EXPECT_EQ(time_of(times, Phase::kEnter), 0U);
    EXPECT_EQ(sum_of_parts(times), 250U);
}

TEST(Phase, shell_that_waited_costs_its_start_nothing) {
    supervisor::Timeline at = restored_timeline();
    at.requested = 1071;
    at.handed = 1071;
    const PhaseTimes times = cut(at);
    EXPECT_EQ(sum_of_parts(times), 179U);
    EXPECT_EQ(time_of(times, Phase::kHandOver), 1U);
    for (const Phase phase : {Phase::kSpawn, Phase::kCreateVm, Phase::kCreate, Phase::kToAgent}) {
        EXPECT_FALSE(times[static_cast<size_t>(phase)].has_value()) << info(phase).key;
    }
}

TEST(Phase, parked_sandbox_has_only_to_go_on) {
    supervisor::Timeline at = restored_timeline();
    at.requested = 2000;
    at.handed = 2003;
    at.running = 2010;
    at.resumed = 2030;
    at.exec = 2040;
    at.first_byte = 2060;
    const PhaseTimes times = cut(at);
    EXPECT_EQ(sum_of_parts(times), 60U);
    EXPECT_EQ(time_of(times, Phase::kPrepare), 3U);
    EXPECT_EQ(time_of(times, Phase::kHandOver), 7U);
    EXPECT_FALSE(times[static_cast<size_t>(Phase::kPopulate)]);
}

TEST(Phase, parts_of_a_whole_start_add_up_to_it) {
    const PhaseTimes times = cut(whole_timeline());
    EXPECT_EQ(sum_of_parts(times), 300U);
    EXPECT_EQ(time_of(times, Phase::kToFirstByte), 300U);
}

TEST(Phase, create_vm_wait_is_apart_from_create) {
    const PhaseTimes times = cut(whole_timeline());
    EXPECT_EQ(time_of(times, Phase::kCreateVm), 40U);
    EXPECT_EQ(time_of(times, Phase::kCreate), 10U);
}

TEST(Phase, spans_begin_at_the_exec_of_the_vmm) {
    const PhaseTimes times = cut(whole_timeline());
    EXPECT_EQ(time_of(times, Phase::kToInit), 190U);
    EXPECT_EQ(time_of(times, Phase::kToAgent), 250U);
}

TEST(Phase, milestone_unseen_leaves_its_phases_out) {
    supervisor::Timeline at = whole_timeline();
    at.configured = at.created = at.loaded = at.running = 0;  // a VMM that tells nothing
    const PhaseTimes times = cut(at);
    for (const Phase phase : {Phase::kSpawn, Phase::kCreateVm, Phase::kCreate, Phase::kLoad,
                              Phase::kEnter, Phase::kKernel}) {
        EXPECT_FALSE(times[static_cast<size_t>(phase)].has_value()) << info(phase).key;
    }
    EXPECT_EQ(time_of(times, Phase::kToInit), 190U);
    EXPECT_EQ(time_of(times, Phase::kInit), 30U);
}

TEST(Phase, guest_clock_slightly_behind_is_zero_not_huge) {
    supervisor::Timeline at = whole_timeline();
    at.first_byte = at.exec - 1;
    EXPECT_EQ(time_of(cut(at), Phase::kFirstByte), 0U);
}

TEST(Phase, keys_are_unique) {
    for (const PhaseInfo& one : phases()) {
        for (const PhaseInfo& other : phases()) {
            EXPECT_EQ(one.key == other.key, one.phase == other.phase);
        }
    }
}

}  // namespace
}  // namespace anchorhold::bench
