// Each report with exactly one thing that no proxy says.
#include "supervisor/window/proxy_report.h"

#include <gtest/gtest.h>

#include <functional>

namespace anchorhold::supervisor {
namespace {

proto::ResolvedPolicy make_policy() {
    proto::ResolvedPolicy policy;
    policy.add_rules()->set_id("read/allow/1");
    proto::Binding& binding = *policy.add_bindings();
    binding.set_id("read/credential/1");
    binding.set_secret("token");
    return policy;
}

proto::ProxyReport good_report() {
    proto::ProxyReport report;
    report.set_sequence(1);
    proto::AuditEvent& event = *report.add_events();
    event.set_stream(5);
    event.set_request(7);
    proto::RequestDecided& decision = *event.mutable_decision();
    decision.set_protocol("https");
    decision.set_method("GET");
    decision.set_host("api.example");
    decision.set_target("/");
    decision.set_rule("read/allow/1");
    decision.add_credentials("token");
    decision.add_credentials("read/credential/1/minted/1");
    return report;
}

proto::ProxyReport key_report() {
    proto::ProxyReport report;
    report.set_public_key(std::string(91, 'k'));
    return report;
}

class ReportCheckTest : public testing::Test {
  protected:
    ReportCheckTest() { EXPECT_TRUE(check(key_report())); }
    Status check(const proto::ProxyReport& report) { return checker.check(report); }

    const proto::ResolvedPolicy policy = make_policy();
    const ReportVocabulary vocabulary{policy};
    ReportCheck checker{vocabulary, 5, 7};
};

TEST_F(ReportCheckTest, good_report_passes_and_moves_the_numbers) {
    EXPECT_EQ(checker.last_stream(), 4U);
    EXPECT_TRUE(check(good_report()));
    EXPECT_EQ(checker.last_stream(), 5U);
    EXPECT_EQ(checker.last_request(), 7U);
}

TEST_F(ReportCheckTest, a_key_comes_first_and_once) {
    EXPECT_FALSE(check(key_report()));
    ReportCheck fresh{vocabulary, 5, 7};
    EXPECT_FALSE(fresh.check(good_report()));
    ReportCheck another{vocabulary, 5, 7};
    proto::ProxyReport long_key;
    long_key.set_public_key(std::string(129, 'k'));
    EXPECT_FALSE(another.check(long_key));
}

TEST_F(ReportCheckTest, sequence_counts_every_event) {
    EXPECT_TRUE(check(good_report()));
    proto::ProxyReport second = good_report();
    second.set_sequence(2);
    EXPECT_TRUE(check(second));
    EXPECT_FALSE(check(second));
}

struct Attack {
    const char* name;
    std::function<void(proto::ProxyReport&)> make;
};

proto::RequestDecided& decision_of(proto::ProxyReport& report) {
    return *report.mutable_events(0)->mutable_decision();
}

const Attack kAttacks[] = {
    {"sequence_ahead", [](auto& report) { report.set_sequence(UINT64_MAX); }},
    {"sequence_of_nothing", [](auto& report) { report.set_sequence(0); }},
    {"start_of_a_sandbox", [](auto& report) { report.mutable_events(0)->mutable_started(); }},
    {"end_of_a_sandbox", [](auto& report) { report.mutable_events(0)->mutable_ended(); }},
    {"command", [](auto& report) { report.mutable_events(0)->mutable_exec(); }},
    {"question_for_a_name", [](auto& report) { report.mutable_events(0)->mutable_dns(); }},
    {"count", [](auto& report) { report.mutable_events(0)->mutable_repeated(); }},
    {"change_of_a_proxy", [](auto& report) { report.mutable_events(0)->mutable_proxy(); }},
    {"nothing", [](auto& report) { report.mutable_events(0)->clear_decision(); }},
    {"stream_of_an_earlier_proxy", [](auto& report) { report.mutable_events(0)->set_stream(4); }},
    {"stream_far_ahead", [](auto& report) { report.mutable_events(0)->set_stream(UINT64_MAX); }},
    {"request_far_ahead",
     [](auto& report) { report.mutable_events(0)->set_request(uint64_t{1} << 40); }},
    {"foreign_rule", [](auto& report) { decision_of(report).set_rule("write/allow/1"); }},
    {"foreign_secret", [](auto& report) { decision_of(report).add_credentials("root-key"); }},
    {"foreign_captured",
     [](auto& report) { decision_of(report).add_credentials("write/credential/1/minted/1"); }},
    {"unknown_protocol", [](auto& report) { decision_of(report).set_protocol("gopher"); }},
    {"reason_with_text", [](auto& report) { decision_of(report).set_reason("all is well"); }},
    {"unknown_verdict",
     [](auto& report) {
         decision_of(report).set_verdict(static_cast<proto::RequestDecided::Verdict>(9));
     }},
    {"long_target", [](auto& report) { decision_of(report).set_target(std::string(2049, 'a')); }},
    {"long_detail", [](auto& report) { decision_of(report).set_detail(std::string(513, 'a')); }},
    {"long_claim",
     [](auto& report) {
         report.mutable_events(0)->mutable_connection()->set_claimed_exe(std::string(256, 'a'));
     }},
    {"half_a_digest",
     [](auto& report) {
         *report.mutable_question()->mutable_request() = decision_of(report);
         report.mutable_question()->set_body_sha256("half");
     }},
    {"question_about_nothing", [](auto& report) { report.mutable_question(); }},
    {"minted_for_no_binding",
     [](auto& report) {
         report.mutable_minted()->set_binding("write/credential/1");
         report.mutable_minted()->mutable_secret()->set_name("write/credential/1/minted/1");
         report.mutable_minted()->mutable_secret()->set_value("value");
         report.mutable_minted()->mutable_secret()->set_placeholder("placeholder");
     }},
    {"minted_over_the_registry",
     [](auto& report) {
         report.mutable_minted()->set_binding("read/credential/1");
         report.mutable_minted()->mutable_secret()->set_name("token");
         report.mutable_minted()->mutable_secret()->set_value("value");
         report.mutable_minted()->mutable_secret()->set_placeholder("placeholder");
     }},
};

class ReportAttackTest : public ReportCheckTest, public testing::WithParamInterface<Attack> {};

TEST_P(ReportAttackTest, report_is_refused) {
    proto::ProxyReport report = good_report();
    GetParam().make(report);
    EXPECT_FALSE(check(report));
}

INSTANTIATE_TEST_SUITE_P(all, ReportAttackTest, testing::ValuesIn(kAttacks),
                         [](const auto& attack) { return attack.param.name; });

}  // namespace
}  // namespace anchorhold::supervisor
