// Requests that a person decides about.
#include <gtest/gtest.h>

#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

constexpr const char* kAskPolicy = R"(
version: 1
kind: grant
name: asks
ask:
  - host: api.example.com
    methods: [POST]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
)";

class Asks : public ::testing::Test {
  protected:
    static bool greet(const Received&, ByteStream& stream) {
        return stream.write(ok_answer("hello"));
    }
    HttpAnswer post(std::function<bool(const proto::Question&)> answer) {
        window_ = std::make_unique<TestWindow>(
            WindowOptions{.policies = {kAskPolicy},
                          .hosts = {{"api.example.com", upstream_.port()}},
                          .secrets = {{"api-key", kApiKey}},
                          .upstream_roots = upstream_.root_pem(),
                          .answer = std::move(answer)});
        return window_->ask("api.example.com",
                            "POST /v1/x HTTP/1.1\r\nHost: api.example.com\r\nExpect: "
                            "100-continue\r\nContent-Length: 5\r\n\r\nhello");
    }
    proto::RequestDecided decided(proto::RequestDecided::Verdict verdict) {
        return window_
            ->wait_for([&](const proto::AuditEvent& event) {
                return event.has_decision() && event.decision().verdict() == verdict;
            })
            .decision();
    }

    StandIn upstream_{greet};
    std::unique_ptr<TestWindow> window_;
};

TEST_F(Asks, answered_no_is_denied_and_nothing_leaves) {
    const HttpAnswer answer = post([](const proto::Question&) { return false; });
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(decided(proto::RequestDecided::ASKED_DENY).reason(), "asked_denied");
    EXPECT_TRUE(upstream_.received().empty());
}

TEST_F(Asks, question_names_the_request_and_yes_lets_it_go) {
    std::string asked;
    const HttpAnswer answer = post([&](const proto::Question& question) {
        asked = question.request().method() + " " + question.request().host() +
                question.request().target();
        return true;
    });
    EXPECT_TRUE(answer.status == 100 || answer.status == 200) << answer.head;
    EXPECT_EQ(asked, "POST api.example.com/v1/x");
    EXPECT_EQ(decided(proto::RequestDecided::ASKED_ALLOW).reason(), "");
    window_->wait_for([](const proto::AuditEvent& event) { return event.has_outcome(); });
    EXPECT_EQ(upstream_.received().size(), 1U);
}

}  // namespace
}  // namespace anchorhold::window_test
