// The first is written, the flood is counted.
#include "supervisor/audit/denial_fold.h"

#include "fakes/manual_clock.h"
#include "rig.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

class DenialFoldTest : public testing::Test {
  protected:
    static proto::AuditEvent denial(const std::string& target) {
        proto::AuditEvent event = AuditRig::decision(target);
        event.mutable_decision()->set_verdict(proto::RequestDecided::DENY);
        return event;
    }
    std::vector<proto::AuditEvent> take(const proto::AuditEvent& event) {
        std::vector<proto::AuditEvent> out;
        fold.take(event, out);
        return out;
    }

    fakes::ManualClock clock;
    DenialFold fold{clock, 10s};
};

TEST_F(DenialFoldTest, flood_becomes_one_denial_and_one_count) {
    EXPECT_EQ(take(denial("/a")).size(), 1U);
    EXPECT_FALSE(fold.next_due());
    for (uint64_t i = 0; i < 99; ++i) {
        proto::AuditEvent event = denial("/a");
        event.set_request(100 + i);
        EXPECT_TRUE(take(event).empty());
    }
    EXPECT_EQ(fold.next_due(), clock.now() + 10s);
    clock.advance(10s);
    std::vector<proto::AuditEvent> out;
    fold.collect_due(out);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].repeated().count(), 99U);
    EXPECT_EQ(out[0].repeated().first().target(), "/a");
    EXPECT_FALSE(fold.next_due());
    EXPECT_EQ(take(denial("/a")).size(), 1U);
}

TEST_F(DenialFoldTest, other_denials_and_allowed_requests_pass) {
    take(denial("/a"));
    EXPECT_EQ(take(denial("/b")).size(), 1U);
    EXPECT_EQ(take(AuditRig::decision("/a")).size(), 1U);
    EXPECT_EQ(take(AuditRig::decision("/a")).size(), 1U);
}

TEST_F(DenialFoldTest, count_of_an_ended_window_comes_before_what_is_new) {
    take(denial("/a"));
    take(denial("/a"));
    clock.advance(11s);
    const auto out = take(denial("/a"));
    ASSERT_EQ(out.size(), 2U);
    EXPECT_TRUE(out[0].has_repeated());
    EXPECT_TRUE(out[1].has_decision());
}

TEST_F(DenialFoldTest, more_kinds_than_the_bound_end_the_oldest_window) {
    take(denial("/0"));
    take(denial("/0"));
    for (size_t i = 1; i < DenialFold::kMostOpen; ++i) {
        EXPECT_EQ(take(denial("/" + std::to_string(i))).size(), 1U);
    }
    const auto out = take(denial("/one-more"));
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[0].repeated().count(), 1U);
}

TEST_F(DenialFoldTest, flush_loses_no_count) {
    take(denial("/a"));
    take(denial("/a"));
    take(denial("/b"));
    std::vector<proto::AuditEvent> out;
    fold.flush(out);
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].repeated().count(), 1U);
}

}  // namespace
}  // namespace anchorhold::supervisor
