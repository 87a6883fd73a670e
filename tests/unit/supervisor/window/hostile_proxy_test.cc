// A window whose proxy says what the test wants: each report that no proxy sends ends the proxy and
// is on record, and the window goes on.
#include <csignal>

#include "window_rig.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

WindowSpec small_spec() {
    WindowSpec spec;
    spec.sandbox = "box";
    spec.policy.add_rules()->set_id("read/allow/1");
    spec.policy.mutable_rules(0)->add_hosts()->set_exact("api.example");
    return spec;
}

class HostileProxyTest : public testing::Test, public WindowRig {
  protected:
    HostileProxyTest() : WindowRig(small_spec()) {}
    static proto::ProxyReport denial(uint64_t sequence, const std::string& target = "/") {
        proto::ProxyReport report;
        report.set_sequence(sequence);
        proto::AuditEvent& event = *report.add_events();
        event.set_stream(1);
        event.set_request(1);
        event.mutable_decision()->set_verdict(proto::RequestDecided::DENY);
        event.mutable_decision()->set_protocol("https");
        event.mutable_decision()->set_target(target);
        return report;
    }
};

TEST_F(HostileProxyTest, good_event_is_written_at_the_hosts_time_and_acknowledged) {
    proto::ProxyReport report = denial(1);
    report.mutable_events(0)->set_time_ns(1);
    const OwnFd stream = say(report);
    run_until([&] { return !events.empty(); });
    EXPECT_GT(events[0].time_ns(), 1'000'000'000'000'000'000U);
    char order[64];
    EXPECT_GT(::read(stream.get(), order, sizeof order), 0);
}

TEST_F(HostileProxyTest, event_of_the_supervisors_own_ends_the_proxy_and_is_not_written) {
    proto::ProxyReport report;
    report.set_sequence(1);
    report.add_events()->mutable_ended()->set_status(0);
    const OwnFd stream = say(report);
    run_until([&] { return changes("broke the protocol: ") == 1; });
    EXPECT_EQ(events.size(), 1U);
    const OwnFd next = say(denial(1));  // to a new proxy
    run_until([&] { return events.size() == 2; });
    EXPECT_EQ(failure, "");
}

TEST_F(HostileProxyTest, sequence_number_ahead_ends_the_proxy) {
    const OwnFd stream = say(denial(1'000));
    run_until([&] { return changes("broke the protocol: ") == 1; });
    EXPECT_EQ(events.size(), 1U);
}

TEST_F(HostileProxyTest, bytes_that_are_no_report_end_the_proxy) {
    const OwnFd stream = say("\xff\xff\xff");
    run_until([&] { return changes("broke the protocol: ") == 1; });
}

TEST_F(HostileProxyTest, flood_of_one_denial_is_two_records_at_the_end) {
    std::vector<OwnFd> streams;
    for (uint64_t i = 1; i <= 40; ++i) {
        proto::ProxyReport report = denial(i);
        report.mutable_events(0)->set_request(i);
        streams.push_back(say(report));
        ASSERT_TRUE(loop->run_once(0ms));
        run_until([&] {
            char order[64];
            return ::recv(streams.back().get(), order, sizeof order, MSG_DONTWAIT) > 0;
        });
    }
    EXPECT_EQ(events.size(), 1U);
    bool drained = false;
    window->drain([&] { drained = true; });
    egress.reset();
    run_until([&] { return drained; });
    const auto repeated = std::ranges::find_if(
        events, [](const proto::AuditEvent& event) { return event.has_repeated(); });
    ASSERT_NE(repeated, events.end());
    EXPECT_EQ(repeated->repeated().count(), 39U);
}

TEST_F(HostileProxyTest, answer_to_a_dead_proxys_question_reaches_no_other) {
    proto::ProxyReport question;
    question.mutable_question()->set_id(1);
    question.mutable_question()->mutable_request()->set_protocol("https");
    const OwnFd first = say(question);
    run_until([&] { return asked.size() == 1; });
    const OwnFd end = say("");
    run_until([&] { return changes("died") == 1; });
    const OwnFd second = say(question);
    run_until([&] { return asked.size() == 2; });
    EXPECT_NE(asked[0], asked[1]);
    window->answer(asked[0], true);  // too late
    char order[64];
    EXPECT_LT(::recv(second.get(), order, sizeof order, MSG_DONTWAIT), 0);
    window->answer(asked[1], false);
    run_until([&] { return ::recv(second.get(), order, sizeof order, MSG_DONTWAIT) > 0; });
}

TEST_F(HostileProxyTest, questions_beyond_the_bound_are_answered_no) {
    std::vector<OwnFd> streams;
    proto::ProxyReport question;
    question.mutable_question()->mutable_request()->set_protocol("https");
    for (uint64_t id = 1; id <= 64; ++id) {
        question.mutable_question()->set_id(id);
        streams.push_back(say(question));
        run_until([&] { return asked.size() == id; });
    }
    question.mutable_question()->set_id(65);
    const OwnFd last = say(question);
    run_until([&] {
        char order[64];
        return ::recv(last.get(), order, sizeof order, MSG_DONTWAIT) > 0;
    });
    EXPECT_EQ(asked.size(), 64U);
}

TEST_F(HostileProxyTest, window_survives_any_number_of_deaths_and_writes_each_down) {
    constexpr size_t kDeaths = 12;
    for (size_t i = 1; i <= kDeaths; ++i) {
        const OwnFd end = say("");
        run_until([&] { return changes("died") == i; });
    }
    const OwnFd stream = say(denial(1));
    run_until([&] { return events.back().has_decision(); });
    EXPECT_EQ(failure, "");
    EXPECT_EQ(events.size(), kDeaths + 1);
}

TEST_F(HostileProxyTest, zygote_that_dies_is_replaced_and_the_window_goes_on) {
    ASSERT_GT(host->zygote_pid(), 1);
    ::kill(host->zygote_pid(), SIGKILL);
    const OwnFd stream = say(denial(1));
    run_until([&] { return !events.empty() && events.back().has_decision(); });
    EXPECT_EQ(failure, "");
}

TEST_F(HostileProxyTest, dialer_that_dies_is_replaced_and_the_window_goes_on) {
    ASSERT_GT(host->dialer_pid(), 1);
    ::kill(host->dialer_pid(), SIGKILL);
    const OwnFd stream = say(denial(1));
    run_until([&] { return !events.empty() && events.back().has_decision(); });
    EXPECT_EQ(failure, "");
}

}  // namespace
}  // namespace anchorhold::supervisor
