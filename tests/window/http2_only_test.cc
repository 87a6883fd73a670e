// A guest that offers nothing but HTTP/2, as gRPC's do, where there is nobody to speak it with.
#include <gtest/gtest.h>

#include "window/fixture.h"
#include "window/h2_ends.h"

namespace anchorhold::window_test {
namespace {

constexpr const char* kPolicy = R"(version: 1
kind: grant
name: api
allow:
  - host: api.example.com
    private_ranges: [127.0.0.0/8]
)";

const Block kCall = {{":method", "POST"},
                     {":scheme", "https"},
                     {":authority", "denied.example.com"},
                     {":path", "/greeter.Greeter/SayHello"},
                     {"content-type", "application/grpc"},
                     {"te", "trailers"}};

H2Message ask(TestWindow& window, const std::string& host, Block head, std::string body) {
    const auto stream = window.open(host, 443);
    EXPECT_EQ(stream->start_tls(host, window.root_pem(), {"h2"}), "");
    H2End client(H2End::Role::client, *stream);
    head[2].second = host;
    return client.answer(client.request(head, std::move(body)));
}

TEST(Http2Only, a_grpc_call_to_a_denied_host_ends_with_permission_denied) {
    TestWindow window({.policies = {kPolicy}});
    const H2Message answer = ask(window, "denied.example.com", kCall, std::string(5, '\0'));
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.field("grpc-status"), "7");
    EXPECT_EQ(window.wait_for_denial("no_rule").host(), "denied.example.com");
}

TEST(Http2Only, an_upstream_without_http2_is_an_answer_not_silence) {
    StandIn upstream([](const Received&, ByteStream& stream) {
        return stream.write(ok_answer("HTTP/1.1 is all I speak"));
    });
    TestWindow window({.policies = {kPolicy},
                       .hosts = {{"api.example.com", upstream.port()}},
                       .upstream_roots = upstream.root_pem()});
    Block head = kCall;
    head.resize(4);
    const H2Message answer = ask(window, "api.example.com", head, "{}");
    EXPECT_EQ(answer.status(), 502);
    EXPECT_TRUE(upstream.received().empty());
}

TEST(Http2Only, an_upstream_that_cannot_be_reached_is_an_answer) {
    TestWindow window({.policies = {kPolicy}, .hosts = {{"api.example.com", 1}}});
    Block head = kCall;
    head.resize(4);
    EXPECT_EQ(ask(window, "api.example.com", head, "{}").status(), 502);
}

}  // namespace
}  // namespace anchorhold::window_test
