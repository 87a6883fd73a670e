// Guest TSC to host time, at the edges of the arithmetic.
#include "supervisor/timeline.h"

#include <gtest/gtest.h>

namespace anchorhold::supervisor {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

Timeline related(uint64_t running, uint64_t host_tsc, uint64_t offset, uint64_t khz) {
    Timeline timeline;
    timeline.host_tsc_at = running;
    timeline.host_tsc = host_tsc;
    timeline.guest_tsc_offset = offset;
    timeline.tsc_khz = khz;
    return timeline;
}

TEST(Timeline, guest_tsc_becomes_host_time) {
    const struct {
        const char* name;
        uint64_t running, host_tsc, offset, khz, guest_tsc, expected;
    } cases[] = {
        {"first instruction", 5 * kSecond, 1000, 0, 2'000'000, 1000, 5 * kSecond},
        {"one microsecond later", 5 * kSecond, 1000, 0, 2'000'000, 3000, 5 * kSecond + 1000},
        {"positive offset", 5 * kSecond, 1000, 500, 1'000'000, 1501, 5 * kSecond + 1},
        {"offset that restarts the guest's count", 5 * kSecond, uint64_t{1} << 50,
         0 - (uint64_t{1} << 50), 1'000'000, 7, 5 * kSecond + 7},
        {"host count that wraps", 5 * kSecond, UINT64_MAX, 1, 1'000'000, 4, 5 * kSecond + 4},
        {"a day at 3 GHz", kSecond, 0, 0, 3'000'000, uint64_t{86'400} * 3'000'000'000,
         86'401 * kSecond},
        {"a TSC slower than a nanosecond", kSecond, 0, 0, 1000, 5, kSecond + 5000},
    };
    for (const auto& test : cases) {
        const Timeline timeline = related(test.running, test.host_tsc, test.offset, test.khz);
        EXPECT_EQ(timeline.from_guest_tsc(test.guest_tsc), test.expected) << test.name;
    }
}

TEST(Timeline, guest_tsc_without_meaning_is_zero) {
    EXPECT_EQ(Timeline().from_guest_tsc(12345), 0U) << "the VMM has said nothing yet";
    const Timeline timeline = related(kSecond, 1000, 0, 2'000'000);
    EXPECT_EQ(timeline.from_guest_tsc(0), 0U) << "the guest has said nothing";
    EXPECT_EQ(timeline.from_guest_tsc(999), 0U) << "before the guest's first instruction";
}

TEST(Timeline, guest_that_stood_still_goes_on_where_it_was) {
    Timeline timeline = related(kSecond, 1000, 500, 1'000'000);
    const uint64_t before = monotonic_ns();
    const uint64_t ticks = timeline.stand_still();
    EXPECT_EQ(timeline.host_tsc, 1000 + ticks);
    EXPECT_EQ(timeline.host_tsc + timeline.guest_tsc_offset, 1500U) << "no tick passed for it";
    EXPECT_GE(timeline.host_tsc_at, before);
    EXPECT_EQ(timeline.from_guest_tsc(1501), timeline.host_tsc_at + 1);

    Timeline unknown;
    EXPECT_EQ(unknown.stand_still(), 0U) << "the VMM has said nothing yet";
    EXPECT_EQ(unknown.guest_tsc_offset, 0U);
}

TEST(Timeline, started_fills_the_vmms_moments_and_no_others) {
    proto::Started started;
    started.set_main_ns(1);
    started.set_configured_ns(2);
    started.set_created_ns(3);
    started.set_loaded_ns(4);
    started.set_run_ns(5);
    started.set_host_tsc(6);
    started.set_guest_tsc_offset(7);
    started.set_tsc_khz(8);
    started.set_create_vm_ns(9);
    Timeline timeline;
    timeline.requested = 100;
    timeline.take(started);
    EXPECT_EQ(timeline.vmm_main, 1U);
    EXPECT_EQ(timeline.configured, 2U);
    EXPECT_EQ(timeline.created, 3U);
    EXPECT_EQ(timeline.loaded, 4U);
    EXPECT_EQ(timeline.running, 5U);
    EXPECT_EQ(timeline.host_tsc, 6U);
    EXPECT_EQ(timeline.guest_tsc_offset, 7U);
    EXPECT_EQ(timeline.tsc_khz, 8U);
    EXPECT_EQ(timeline.create_vm, 9U);
    EXPECT_EQ(timeline.requested, 100U);
    EXPECT_EQ(timeline.ready, 0U);
}

TEST(MonotonicNs, never_goes_back) {
    const uint64_t first = monotonic_ns();
    EXPECT_GT(first, 0U);
    EXPECT_GE(monotonic_ns(), first);
}

}  // namespace
}  // namespace anchorhold::supervisor
