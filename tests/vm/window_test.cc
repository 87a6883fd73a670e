// The whole path with a guest in it: capture, proxy, dialer, a stand-in upstream on this host's
// loopback, the record.
#include <gtest/gtest.h>

#include "vm/window_home.h"
#include "window/stand_in.h"

namespace anchorhold::vm_test {
namespace {

using window_test::ByteStream;
using window_test::ok_answer;
using window_test::Received;
using window_test::StandIn;

constexpr const char* kSecret = "sk-live-9f8e7d6c5b4a39281706f5e4d3c2b1a0";

constexpr const char* kPolicy = R"(version: 1
kind: grant
name: api
allow:
  - host: api.example.com
    methods: [GET, POST]
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
)";

class WindowOfAVm : public ::testing::Test {
  protected:
    WindowOfAVm()
        : upstream_([](const Received& request, ByteStream& stream) {
              return stream.write(ok_answer("you said " + request.body));
          }) {
        home_.add_secret({"api-key", kSecret, "[api.example.com]", "[api]"});
        home_.set_roots(upstream_.root_pem());
        home_.add_upstream("api.example.com", upstream_.port());
        home_.add_policy("api", kPolicy);
    }

    [[nodiscard]] Completed run_here(const std::string& script) const {
        return anchorhold(home_.run(script, {.image = "debian", .memory = "256M"}));
    }

    StandIn upstream_;
    WindowHome home_;
};

TEST_F(WindowOfAVm, curl_reaches_what_the_policy_grants_with_a_secret_it_never_holds) {
    const Completed done =
        run_here("env; curl -sS -d hello https://api.example.com/v1/chat; cat /proc/self/environ");
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_NE(done.out.find("you said hello"), std::string::npos) << done.out << done.err;
    EXPECT_NE(done.out.find("API_KEY="), std::string::npos) << done.out;
    EXPECT_EQ(done.out.find(kSecret), std::string::npos);
    ASSERT_EQ(upstream_.received().size(), 1U);
    EXPECT_NE(upstream_.received()[0].head.find(std::string("authorization: Bearer ") + kSecret),
              std::string::npos)
        << upstream_.received()[0].head;
    EXPECT_EQ(read_tree(home_.state()).find(kSecret), std::string::npos);
}

TEST_F(WindowOfAVm, python_sends_the_placeholder_where_it_is_bound) {
    const Completed done = run_here(
        "python3 -c '\n"
        "import os, urllib.request\n"
        "request = urllib.request.Request(\"https://api.example.com/v1/models\",\n"
        "    headers={\"Authorization\": \"Bearer \" + os.environ[\"API_KEY\"]})\n"
        "print(urllib.request.urlopen(request).status)\n"
        "'");
    EXPECT_EQ(done.out, "200\n") << done.err;
    ASSERT_EQ(upstream_.received().size(), 1U);
    EXPECT_NE(upstream_.received()[0].head.find(kSecret), std::string::npos);
}

TEST_F(WindowOfAVm, what_no_policy_grants_is_denied_told_and_written_down) {
    const Completed done = run_here(
        "curl -s https://api.example.com/admin; curl -s https://other.example.com/; "
        "curl -s -H \"X-Key: $API_KEY\" https://api.example.com/v1/models");
    EXPECT_NE(done.out.find("\"reason\":\"no_rule\""), std::string::npos) << done.out << done.err;
    EXPECT_NE(done.out.find("\"reason\":\"stray_placeholder\""), std::string::npos) << done.out;
    EXPECT_NE(done.err.find("anchorhold: denied GET https://api.example.com:443/admin"),
              std::string::npos)
        << done.err;
    EXPECT_NE(done.err.find("3 requests to "), std::string::npos) << done.err;
    EXPECT_TRUE(upstream_.received().empty());
    const Completed shown =
        anchorhold(home_.invocation({"audit", "show", "last", "--filter", "verdict=deny"}));
    EXPECT_NE(shown.out.find("other.example.com"), std::string::npos) << shown.out << shown.err;
    const Completed verified = anchorhold(home_.invocation({"audit", "verify", "last"}));
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
}

}  // namespace
}  // namespace anchorhold::vm_test
