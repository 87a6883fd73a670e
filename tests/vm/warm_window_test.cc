// A restored sandbox with a window: the same as a cold one's, and a template without anything in it
// that is secret.
#include <gtest/gtest.h>

#include <filesystem>

#include "vm/leftovers.h"
#include "vm/secret_search.h"
#include "vm/window_home.h"
#include "window/stand_in.h"

namespace anchorhold::vm_test {
namespace {

using window_test::ByteStream;
using window_test::ok_answer;
using window_test::Received;
using window_test::StandIn;

constexpr const char* kSecret = "sk-live-5d0c7b1e9a8f4c23b6d7e0f1a2938475";
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

class WarmWindow : public testing::Test {
  protected:
    WarmWindow()
        : upstream_([](const Received& request, ByteStream& stream) {
              return stream.write(ok_answer("you said " + request.body));
          }) {
        home_.add_secret({"api-key", kSecret, "[api.example.com]", "[api]"});
        home_.set_roots(upstream_.root_pem());
        home_.add_upstream("api.example.com", upstream_.port());
        home_.add_policy("api", kPolicy);
    }

    // The environment is the same: the secret is in reach of whoever makes the template.
    [[nodiscard]] Completed make() const {
        Invocation making = home_.invocation(
            {"template", "create", "warm", "--quiet", "--image", "debian", "-m", "256M", "--warm",
             "python3 -c 'import ssl, urllib.request; ssl.create_default_context()'"});
        making.patience = std::chrono::seconds(400);
        return anchorhold(making);
    }
    [[nodiscard]] Completed run_here(const std::string& script) const {
        Invocation running =
            home_.invocation({"run", "--quiet", "--from", "warm", "--policy",
                              home_.path("api.yaml").string(), "--", "sh", "-c", script});
        running.patience = std::chrono::seconds(300);
        return anchorhold(running);
    }

    StandIn upstream_;
    WindowHome home_;
};

TEST_F(WarmWindow, restored_sandbox_reaches_what_its_policy_grants_and_holds_no_secret) {
    const Completed made = make();
    ASSERT_EQ(made.status, 0) << made.err;

    const Completed done = run_here(
        "env; curl -sS -d hello https://api.example.com/v1/chat; echo; "
        "python3 -c 'import os, urllib.request\n"
        "request = urllib.request.Request(\"https://api.example.com/v1/models\", "
        "headers={\"Authorization\": \"Bearer \" + os.environ[\"API_KEY\"]})\n"
        "print(\"python\", urllib.request.urlopen(request).status)'; "
        "curl -s https://api.example.com/admin");
    EXPECT_NE(done.out.find("you said hello"), std::string::npos) << done.out << done.err;
    EXPECT_NE(done.out.find("python 200"), std::string::npos) << done.out << done.err;
    EXPECT_NE(done.out.find("API_KEY="), std::string::npos) << done.out;
    EXPECT_NE(done.out.find("\"reason\":\"no_rule\""), std::string::npos) << done.out;
    EXPECT_EQ(done.out.find(kSecret), std::string::npos);
    ASSERT_EQ(upstream_.received().size(), 2U);
    for (const Received& request : upstream_.received()) {
        EXPECT_NE(request.head.find(std::string("authorization: Bearer ") + kSecret),
                  std::string::npos)
            << request.head;
    }
    const Completed verified = anchorhold(home_.invocation({"audit", "verify", "last"}));
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;

    // A second copy has another placeholder of the same secret, or none of the first one's use.
    const Completed second = run_here("curl -sS -d again https://api.example.com/v1/chat");
    EXPECT_NE(second.out.find("you said again"), std::string::npos) << second.out << second.err;

    SecretSearch search(kSecret);
    search_folder(home_.state().string() + "/anchorhold/templates", search);
    EXPECT_EQ(search.found(), std::set<std::string>{});
    EXPECT_GT(search.bytes(), uint64_t{8} << 20) << "it searched the template's memory";
    const std::string placeholder = done.out.substr(done.out.find("API_KEY=") + 8, 16);
    SecretSearch for_placeholder(placeholder);
    search_folder(home_.state().string() + "/anchorhold/templates", for_placeholder);
    EXPECT_EQ(for_placeholder.found(), std::set<std::string>{});
}

TEST_F(WarmWindow, without_a_policy_there_is_no_way_out) {
    const Completed made = anchorhold(home_.invocation(
        {"template", "create", "shut", "--quiet", "--image", "tiny", "-m", "64M"}));
    ASSERT_EQ(made.status, 0) << made.err;
    const Completed done = anchorhold(
        home_.invocation({"run", "--quiet", "--from", "shut", "--", "sh", "-c",
                          "wget -T 5 -q -O - http://api.example.com/v1/chat || echo no way; env"}));
    EXPECT_NE(done.out.find("no way"), std::string::npos) << done.out << done.err;
    EXPECT_EQ(done.out.find("API_KEY"), std::string::npos) << done.out;
    EXPECT_TRUE(upstream_.received().empty());
}

}  // namespace
}  // namespace anchorhold::vm_test
