// Unmodified clients of every kind in a sandbox, each against a server that is not ours either
// where there is one: git's own, nghttpd, gRPC, websockets.
#include <gtest/gtest.h>

#include "vm/stand_in_process.h"
#include "vm/window_home.h"

namespace anchorhold::vm_test {
namespace {

using ::testing::Test;

constexpr const char* kKey = "key-51c8f0a7e29b46d3a1f7c0e5b8d2946f";
constexpr const char* kToken = "ghp_R7mX2kVq9LzWt4NcYd6MfGh8JpAe1UoIi3Bt";

// As in stand_in.py, which checks what was signed with it.
constexpr const char* kAwsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY";
constexpr const char* kAwsId = "AKIAW5R2QH7TNC4XEJ6B";

constexpr const char* kExamples = R"(version: 1
kind: grant
name: examples
allow:
  - hosts: [api.example.com, h2.example.com]
    methods: [GET, POST]
    paths: ["/v1/**"]
  - host: grpc.example.com
    methods: [POST]
    paths: [/example.Echo/Say, /example.Echo/Count]
  - host: socket.example.com
    methods: [GET]
    paths: [/chat]
credentials:
  - secret: key
    hosts: [api.example.com, h2.example.com, grpc.example.com, socket.example.com]
    kind: bearer
    variable: API_KEY
)";

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

class ClientsInAVm : public Test {
  protected:
    // The services this test needs, each under the names its clients use.
    void serve(const std::vector<std::string>& services) {
        const std::map<std::string, std::vector<std::string>> names = {
            {"https",
             {"api.example.com", "pypi.org", "files.pythonhosted.org", "registry.npmjs.org",
              "github.com", "github-cloud.s3.amazonaws.com", "tiny.s3.us-east-1.amazonaws.com"}},
            {"http", {"deb.debian.org"}},
            {"http2", {"h2.example.com"}},
            {"grpc", {"grpc.example.com"}},
            {"websocket", {"socket.example.com"}}};
        upstream_ = std::make_unique<StandInProcess>(services);
        home_.set_roots(upstream_->root_pem());
        for (const std::string& service : services) {
            for (const std::string& name : names.at(service)) {
                home_.add_upstream(name, upstream_->port(service));
            }
        }
        home_.allow_loopback();
    }
    void use_examples() {
        home_.add_secret({"key", kKey, "[\"*.example.com\"]", "[examples]"});
        home_.add_policy("examples", kExamples);
    }
    // The script in a guest. No secret comes out of it or into the logs, whatever it did.
    Completed run(const std::string& script, const WindowHome::Guest& guest = {.memory = "384M"}) {
        const Completed done = anchorhold(home_.run(script, guest));
        EXPECT_FALSE(done.timed_out);
        const std::string logs = read_tree(home_.state());
        for (const char* secret : {kKey, kToken, kAwsSecret, kAwsId}) {
            EXPECT_FALSE(has(done.out + done.err, secret));
            EXPECT_FALSE(has(logs, secret));
        }
        return done;
    }

    WindowHome home_;
    std::unique_ptr<StandInProcess> upstream_;
};

TEST_F(ClientsInAVm, curl_websocket_and_grpc_speak_through_the_window) {
    use_examples();
    serve({"https", "http2", "grpc", "websocket"});
    const Completed done =
        run(carry("websocket_client.py") + carry("grpc_client.py") +
            "for version in --http1.1 --http2; do\n"
            "  curl -sS $version -w 'curl %{http_version} %{http_code}\\n' -d hello "
            "https://api.example.com/v1/chat\n"
            "  curl -sS $version -w 'curl %{http_version} %{http_code}\\n' "
            "https://h2.example.com/v1/hello\n"
            "done\n"
            "python3 websocket_client.py\n"
            "python3 grpc_client.py\n");
    EXPECT_EQ(done.status, 0) << done.err;
    for (const char* expected :
         {"you said hellocurl 1.1 200\n", "hello over HTTP/2\ncurl 2 200\n",
          "websocket text you said hello\n", "websocket binary 020100\n",
          "grpc unary you said hello\n", "grpc stream 1\ngrpc stream 2\ngrpc stream 3\n",
          "grpc refused PERMISSION_DENIED\n"}) {
        EXPECT_TRUE(has(done.out, expected)) << expected << " is not in:\n" << done.out << done.err;
    }
    const std::string key = std::string("Bearer:") + kKey;
    for (const std::string& expected :
         {"POST api.example.com/v1/chat " + key + " bytes:5\n", "websocket /chat " + key,
          "grpc Say " + key, "grpc Count " + key}) {
        EXPECT_TRUE(has(upstream_->requests(), expected)) << expected << " is not in:\n"
                                                          << upstream_->requests();
    }
    EXPECT_TRUE(has(upstream_->http2_log(), std::string("authorization: Bearer ") + kKey))
        << upstream_->http2_log();
    EXPECT_TRUE(has(done.err, "example.Echo/Forbidden")) << done.err;
}

TEST_F(ClientsInAVm, go_and_java_clients_trust_and_reach_the_window) {
    use_examples();
    serve({"https", "http2"});
    // Compiling while it runs costs Java more here than it gains.
    const Completed done = run(
        "/opt/clients/https_client https://api.example.com/v1/go https://h2.example.com/v1/go\n"
        "java -Xint -XX:+UseSerialGC -cp /opt/clients HttpsClient https://api.example.com/v1/java "
        "https://h2.example.com/v1/java\n");
    EXPECT_EQ(done.status, 0) << done.err;
    for (const char* expected : {"HTTP/1.1 200 you said from go\n", "HTTP/2.0 200 from go\n",
                                 "HTTP_1_1 200 you said from java\n", "HTTP_2 200 from java\n"}) {
        EXPECT_TRUE(has(done.out, expected)) << expected << " is not in:\n" << done.out << done.err;
    }
    const std::string key = std::string("Bearer:") + kKey;
    EXPECT_TRUE(has(upstream_->requests(), "POST api.example.com/v1/go " + key + " bytes:7\n"));
    EXPECT_TRUE(has(upstream_->requests(), "POST api.example.com/v1/java " + key + " bytes:9\n"));
}

TEST_F(ClientsInAVm, git_clones_pushes_and_moves_large_files_with_a_token_it_never_holds) {
    home_.add_secret(
        {"github-token", kToken, "[github.com, api.github.com]", "[github-read, github-write]"});
    home_.add_ready_made("github-read");
    home_.add_ready_made("github-write");
    serve({"https"});
    const Completed done = run(carry("work_with_git.sh") + "sh work_with_git.sh 2>&1");
    EXPECT_EQ(done.status, 0) << done.out << done.err << upstream_->requests();
    EXPECT_TRUE(has(done.out, "a repository through the window\n")) << done.out;
    EXPECT_TRUE(has(done.out, "git: came back as it went\n")) << done.out;
    const std::string requests = upstream_->requests();
    const std::string token = std::string("Basic:x-access-token:") + kToken;
    for (const std::string& expected :
         {"GET github.com/octo/tiny/info/refs?service=git-upload-pack " + token,
          "POST github.com/octo/tiny/git-upload-pack " + token,
          "POST github.com/octo/tiny/git-receive-pack " + token,
          std::string("git-log agent: from the guest | stand-in: first"),
          "POST github.com/octo/tiny.git/info/lfs/objects/batch " + token}) {
        EXPECT_TRUE(has(requests, expected)) << expected << " is not in:\n" << requests;
    }
    // The object went and came with the credential of its link, which the guest never saw either.
    constexpr const char* kLink = "lfs-0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    for (const char* method : {"PUT", "GET"}) {
        const size_t at =
            requests.find(std::string(method) + " github-cloud.s3.amazonaws.com/tiny/");
        ASSERT_NE(at, std::string::npos) << method << requests;
        EXPECT_TRUE(has(requests.substr(at, requests.find('\n', at) - at), kLink)) << requests;
    }
    EXPECT_FALSE(has(read_tree(home_.state()), kLink));
}

TEST_F(ClientsInAVm, pip_and_npm_install_from_their_usual_registries) {
    home_.add_ready_made("pypi");
    home_.add_ready_made("npm");
    serve({"https"});
    const Completed done =
        run("pip install --quiet --target site anchorhold-tiny && PYTHONPATH=site python3 -c "
            "'import anchorhold_tiny; print(anchorhold_tiny.WORD)'\n"
            "npm install --silent anchorhold-tiny && node -p 'require(\"anchorhold-tiny\")'\n",
            {.memory = "512M"});
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_TRUE(has(done.out, "a wheel through the window\n")) << done.out << done.err;
    EXPECT_TRUE(has(done.out, "a tarball through the window\n")) << done.out << done.err;
    EXPECT_TRUE(has(upstream_->requests(), "GET pypi.org/simple/anchorhold-tiny/ none:"));
    EXPECT_TRUE(has(upstream_->requests(), "GET registry.npmjs.org/anchorhold-tiny none:"));
}

TEST_F(ClientsInAVm, apt_installs_and_curl_signs_for_s3_with_a_key_it_never_holds) {
    home_.add_secret(
        {"aws-secret-access-key", kAwsSecret, "[\"*.amazonaws.com\"]", "[aws-s3-read]"});
    home_.add_secret({"aws-access-key-id", kAwsId, "[\"*.amazonaws.com\"]", "[aws-s3-read]"});
    home_.add_ready_made("aws-s3-read");
    home_.add_ready_made("debian");
    serve({"https", "http"});
    // Root in a sandbox has no capability, so apt cannot become its user _apt.
    const Completed done = run(
        "curl -sS --aws-sigv4 aws:amz:us-east-1:s3 -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "
        "--user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" "
        "https://tiny.s3.us-east-1.amazonaws.com/folder/object\n"
        "rm -f /etc/apt/sources.list.d/*\n"
        "echo 'deb [trusted=yes] http://deb.debian.org/debian tiny main' > /etc/apt/sources.list\n"
        "echo 'APT::Sandbox::User \"root\";' > /etc/apt/apt.conf.d/99-no-other-user\n"
        "apt-get -q update && apt-get -q install -y anchorhold-tiny\n"
        "cat /usr/share/anchorhold-tiny\n",
        {.memory = "384M", .user = "root"});
    EXPECT_EQ(done.status, 0) << done.out << done.err << upstream_->requests();
    EXPECT_TRUE(has(done.out, "an object through the window\n")) << done.out << done.err;
    EXPECT_TRUE(has(done.out, "a Debian package through the window\n")) << done.out << done.err;
    EXPECT_TRUE(
        has(upstream_->requests(), std::string("s3 /folder/object signed by ") + kAwsId + "\n"))
        << upstream_->requests();
    EXPECT_TRUE(has(upstream_->requests(),
                    "GET deb.debian.org/debian/pool/anchorhold-tiny_1.0_all.deb none:"))
        << upstream_->requests();
}

TEST_F(ClientsInAVm, a_reader_that_is_slow_at_first_gets_every_byte_of_a_large_answer) {
    use_examples();
    serve({"https"});
    // Nobody reads until the upstream says that it cannot send any more: every buffer on the way is
    // full.
    const Completed done =
        run("mkfifo answer\n"
            "curl -sS https://api.example.com/v1/big?64 > answer &\n"
            "exec 3< answer\n"
            "curl -sS https://api.example.com/v1/until-big-waits\n"
            "sha256sum <&3\n",
            {.memory = "256M"});
    EXPECT_EQ(done.status, 0) << done.err;
    const std::string waits = "waits after ";
    ASSERT_TRUE(done.out.starts_with(waits)) << done.out << done.err;
    const size_t on_the_way = std::strtoull(done.out.c_str() + waits.size(), nullptr, 10);
    EXPECT_GT(on_the_way, 0U);
    EXPECT_LT(on_the_way, size_t{24} << 20) << "of 64 MiB";
    const std::string digest = done.out.substr(done.out.find('\n') + 1, 64);
    EXPECT_TRUE(has(upstream_->requests(), "big " + digest + "\n")) << upstream_->requests();
}

}  // namespace
}  // namespace anchorhold::vm_test
