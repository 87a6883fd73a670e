// The first is written, the flood is counted, and what leaves the host is always written.
#include "supervisor/audit/event_fold.h"

#include "fakes/manual_clock.h"
#include "rig.h"

namespace anchorhold::supervisor {
namespace {

using Kind = proto::AuditEvent::WhatCase;

class EventFoldTest : public testing::Test {
  protected:
    static proto::AuditEvent denial(const std::string& target, uint64_t stream = 0) {
        proto::AuditEvent event = AuditRig::decision(target);
        event.mutable_decision()->set_verdict(proto::RequestDecided::DENY);
        event.set_stream(stream);
        return event;
    }
    static proto::AuditEvent opened(uint64_t stream) {
        proto::AuditEvent event;
        event.set_stream(stream);
        event.mutable_connection()->set_claimed_host("a.example");
        return event;
    }
    static proto::AuditEvent closed(uint64_t stream) {
        proto::AuditEvent event;
        event.set_stream(stream);
        event.mutable_connection_closed();
        return event;
    }
    static proto::AuditEvent question(const std::string& name) {
        proto::AuditEvent event;
        event.mutable_dns()->set_name(name);
        return event;
    }
    std::vector<proto::AuditEvent> take(const proto::AuditEvent& event) {
        std::vector<proto::AuditEvent> out;
        fold.take(event, out);
        return out;
    }
    std::vector<proto::AuditEvent> due() {
        std::vector<proto::AuditEvent> out;
        fold.collect_due(out);
        return out;
    }
    // As many connections as pass in one window.
    void use_up_connections() {
        for (uint64_t i = 0; i < EventFold::kMostConnections; ++i) {
            ASSERT_EQ(take(opened(1'000'000 + i)).size(), 1U);
        }
    }

    fakes::ManualClock clock;
    EventFold fold{clock};
};

TEST_F(EventFoldTest, flood_becomes_one_denial_and_one_count) {
    EXPECT_EQ(take(denial("/a")).size(), 1U);
    EXPECT_FALSE(fold.next_due());
    for (uint64_t i = 0; i < 99; ++i) {
        proto::AuditEvent event = denial("/a");
        event.set_request(100 + i);
        EXPECT_TRUE(take(event).empty());
    }
    EXPECT_EQ(fold.next_due(), clock.now() + EventFold::kWindow);
    clock.advance(EventFold::kWindow);
    const auto out = due();
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].repeated().count(), 99U);
    EXPECT_EQ(out[0].repeated().first().target(), "/a");
    EXPECT_FALSE(fold.next_due());
    EXPECT_EQ(take(denial("/a")).size(), 1U);
}

TEST_F(EventFoldTest, other_denials_and_allowed_requests_pass) {
    take(denial("/a"));
    EXPECT_EQ(take(denial("/b")).size(), 1U);
    EXPECT_EQ(take(AuditRig::decision("/a")).size(), 1U);
    EXPECT_EQ(take(AuditRig::decision("/a")).size(), 1U);
}

TEST_F(EventFoldTest, denial_after_a_question_is_folded_too) {
    proto::AuditEvent asked = denial("/a");
    asked.mutable_decision()->set_verdict(proto::RequestDecided::ASKED_DENY);
    EXPECT_EQ(take(asked).size(), 1U);
    EXPECT_TRUE(take(asked).empty());
}

TEST_F(EventFoldTest, count_of_an_ended_window_comes_before_what_is_new) {
    take(denial("/a"));
    take(denial("/a"));
    clock.advance(EventFold::kWindow);
    const auto out = take(denial("/a"));
    ASSERT_EQ(out.size(), 2U);
    EXPECT_TRUE(out[0].has_repeated());
    EXPECT_TRUE(out[1].has_decision());
}

TEST_F(EventFoldTest, million_different_denials_are_counted_beyond_the_bound) {
    size_t written = 0;
    for (uint64_t i = 0; i < 1'000'000; ++i) {
        written += take(denial("/" + std::to_string(i))).size();
    }
    EXPECT_EQ(written, EventFold::kMostDenials);
    clock.advance(EventFold::kWindow);
    const auto out = due();
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].counted().denials(), 1'000'000 - EventFold::kMostDenials);
    EXPECT_EQ(take(denial("/again")).size(), 1U);
}

TEST_F(EventFoldTest, connections_beyond_the_bound_that_meet_only_denials_are_counted) {
    use_up_connections();
    take(denial("/a"));
    for (uint64_t stream = 1; stream <= 500; ++stream) {
        EXPECT_TRUE(take(opened(stream)).empty());
        EXPECT_TRUE(take(denial("/a", stream)).empty());
        EXPECT_TRUE(take(closed(stream)).empty());
    }
    clock.advance(EventFold::kWindow);
    const auto out = due();
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[0].repeated().count(), 500U);
    EXPECT_EQ(out[1].counted().connections(), 500U);
}

TEST_F(EventFoldTest, held_connection_is_written_before_its_first_allowed_request) {
    use_up_connections();
    EXPECT_TRUE(take(opened(3)).empty());
    const auto out = take(AuditRig::decision("/a"));  // on stream 3
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[0].what_case(), Kind::kConnection);
    EXPECT_EQ(out[1].what_case(), Kind::kDecision);
    EXPECT_EQ(take(closed(3)).size(), 1U);
}

TEST_F(EventFoldTest, connections_of_a_dead_proxy_are_counted) {
    use_up_connections();
    take(opened(3));
    fold.forget_streams();
    clock.advance(EventFold::kWindow);
    const auto out = due();
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].counted().connections(), 1U);
}

TEST_F(EventFoldTest, ends_of_connections_that_never_began_are_bounded) {
    size_t written = 0;
    for (uint64_t stream = 1; stream <= 10'000; ++stream) {
        written += take(closed(stream)).size();
    }
    EXPECT_EQ(written, EventFold::kMostConnections);
}

TEST_F(EventFoldTest, questions_beyond_the_bound_are_counted_with_their_repeats) {
    for (uint64_t i = 0; i < EventFold::kMostQuestions; ++i) {
        EXPECT_EQ(take(question(std::to_string(i) + ".example")).size(), 1U);
    }
    proto::AuditEvent more = question("more.example");
    more.mutable_dns()->set_repeated(6);
    EXPECT_TRUE(take(more).empty());
    clock.advance(EventFold::kWindow);
    const auto out = due();
    ASSERT_EQ(out.size(), 1U);
    EXPECT_EQ(out[0].counted().questions(), 7U);
}

TEST_F(EventFoldTest, flush_loses_no_count) {
    take(denial("/a"));
    take(denial("/a"));
    take(denial("/b"));
    use_up_connections();
    take(opened(1));
    std::vector<proto::AuditEvent> out;
    fold.flush(out);
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[0].repeated().count(), 1U);
    EXPECT_EQ(out[1].counted().connections(), 1U);
}

}  // namespace
}  // namespace anchorhold::supervisor
