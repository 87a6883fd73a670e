// The whole path with a guest in it: capture, proxy, dialer, a stand-in upstream on this host's
// loopback, the record.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "vm/anchorhold.h"
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

void write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

std::string read_tree(const std::filesystem::path& folder) {
    std::ostringstream all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) {
            all << std::ifstream(entry.path()).rdbuf();
        }
    }
    return all.str();
}

class WindowOfAVm : public ::testing::Test {
  protected:
    WindowOfAVm()
        : upstream_([](const Received& request, ByteStream& stream) {
              return stream.write(ok_answer("you said " + request.body));
          }) {
        char name[] = "/tmp/anchorhold-home-XXXXXX";
        home_ = ::mkdtemp(name);
        write(home_ / "config/anchorhold/secrets.yaml",
              "secrets:\n  api-key:\n    from: {file: " + (home_ / "key").string() +
                  "}\n    hosts: [api.example.com]\n    policies: [api]\n");
        write(home_ / "key", kSecret);
        write(home_ / "roots.pem", upstream_.root_pem());
        write(
            home_ / "config/anchorhold/network.yaml",
            "version: 1\nhosts:\n  api.example.com: 127.0.0.1:" + std::to_string(upstream_.port()) +
                "\nroots: " + (home_ / "roots.pem").string() + "\n");
        write(home_ / "api.yaml", kPolicy);
    }
    ~WindowOfAVm() override { std::filesystem::remove_all(home_); }

    [[nodiscard]] Completed anchorhold_here(std::vector<std::string> arguments) const {
        Invocation invocation;
        invocation.arguments = std::move(arguments);
        invocation.environment = {"HOME=" + home_.string(),
                                  "XDG_CONFIG_HOME=" + (home_ / "config").string(),
                                  "XDG_STATE_HOME=" + (home_ / "state").string()};
        return anchorhold(invocation);
    }

    [[nodiscard]] Completed run_here(const std::string& script) const {
        return anchorhold_here({"run", "--policy", (home_ / "api.yaml").string(), "--image",
                                "debian", "--memory", "256M", "--", "sh", "-c", script});
    }

    StandIn upstream_;
    std::filesystem::path home_;
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
    EXPECT_EQ(read_tree(home_ / "state").find(kSecret), std::string::npos);
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
    const Completed shown = anchorhold_here({"audit", "show", "last", "--filter", "verdict=deny"});
    EXPECT_NE(shown.out.find("other.example.com"), std::string::npos) << shown.out << shown.err;
    const Completed verified = anchorhold_here({"audit", "verify", "last"});
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
}

}  // namespace
}  // namespace anchorhold::vm_test
