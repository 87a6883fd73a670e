#include "policy/limits.h"

#include <gtest/gtest.h>

#include "fakes/manual_clock.h"
#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Endpoint kA{.host = "a.example.com", .address = {}, .port = 443};
const Endpoint kB{.host = "b.example.com", .address = {}, .port = 443};

proto::ResolvedPolicy limited(std::string_view limits) {
    return policy_of({std::string(kGrant) + "limits:\n" + std::string(limits)});
}

TEST(limits, requests_of_a_window_are_counted_and_come_back) {
    const auto policy = limited("  - {requests: 3, per: 1m}\n");
    Limits limits(policy);
    fakes::ManualClock clock;
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(limits.admit(kA, clock.now()), nullptr);
        clock.advance(seconds(10));
    }
    const proto::Limit* exceeded = limits.admit(kB, clock.now());
    ASSERT_NE(exceeded, nullptr);
    EXPECT_EQ(exceeded->amount(), 3U);
    clock.advance(seconds(33));
    EXPECT_EQ(limits.admit(kA, clock.now()), nullptr);
    EXPECT_NE(limits.admit(kA, clock.now()), nullptr);
    clock.advance(seconds(3600));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(limits.admit(kA, clock.now()), nullptr);
    }
}

TEST(limits, no_window_ever_holds_more) {
    const auto policy = limited("  - {requests: 50, per: 10s}\n");
    Limits limits(policy);
    fakes::ManualClock clock;
    std::vector<TimePoint> admitted;
    for (int i = 0; i < 2000; ++i) {
        if (limits.admit(kA, clock.now()) == nullptr) {
            admitted.push_back(clock.now());
        }
        clock.advance(milliseconds(37 + i % 11));
    }
    EXPECT_GT(admitted.size(), 300U);
    for (size_t i = 50; i < admitted.size(); ++i) {
        EXPECT_GE(admitted[i] - admitted[i - 50], seconds(10));
    }
}

TEST(limits, hosts_are_counted_together_and_others_not) {
    const auto policy = limited("  - {requests: 1, per: 1m, hosts: [a.example.com]}\n");
    Limits limits(policy);
    const fakes::ManualClock clock;
    EXPECT_EQ(limits.admit(kA, clock.now()), nullptr);
    EXPECT_NE(limits.admit(kA, clock.now()), nullptr);
    EXPECT_EQ(limits.admit(kB, clock.now()), nullptr);
}

TEST(limits, bytes_without_a_window_are_counted_for_ever) {
    const auto policy = limited("  - {bytes_out: 100}\n  - {bytes_in: 10, per: 1s}\n");
    Limits limits(policy);
    fakes::ManualClock clock;
    const auto out = Limits::Direction::to_upstream;
    EXPECT_EQ(limits.add_bytes(kA, out, 60, clock.now()), nullptr);
    EXPECT_NE(limits.add_bytes(kA, out, 41, clock.now()), nullptr);
    clock.advance(seconds(86400));
    EXPECT_EQ(limits.add_bytes(kB, out, 40, clock.now()), nullptr);
    EXPECT_NE(limits.add_bytes(kA, out, 1, clock.now()), nullptr);
    EXPECT_NE(limits.add_bytes(kA, out, UINT64_MAX, clock.now()), nullptr);
    EXPECT_EQ(limits.add_bytes(kA, Limits::Direction::to_guest, 10, clock.now()), nullptr);
}

TEST(limits, nothing_is_counted_where_one_of_two_is_exceeded) {
    const auto policy = limited(
        "  - {requests: 10, per: 1m}\n  - {requests: 1, per: 1m, hosts: [a.example.com]}\n");
    Limits limits(policy);
    const fakes::ManualClock clock;
    EXPECT_EQ(limits.admit(kA, clock.now()), nullptr);
    for (int i = 0; i < 20; ++i) {
        EXPECT_NE(limits.admit(kA, clock.now()), nullptr);
    }
    for (int i = 0; i < 9; ++i) {
        EXPECT_EQ(limits.admit(kB, clock.now()), nullptr);
    }
    EXPECT_NE(limits.admit(kB, clock.now()), nullptr);
}

TEST(limits, streams_are_counted_while_they_are_open) {
    const auto policy = limited("  - {streams: 1}\n");
    Limits limits(policy);
    EXPECT_EQ(limits.open_stream(kA), nullptr);
    EXPECT_NE(limits.open_stream(kB), nullptr);
    limits.close_stream(kA);
    EXPECT_EQ(limits.open_stream(kB), nullptr);
}

}  // namespace
}  // namespace anchorhold::policy
