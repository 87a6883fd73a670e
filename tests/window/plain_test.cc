// What is not HTTPS: plain HTTP, TLS passed on unread, raw TCP.
#include <gtest/gtest.h>

#include "window/fixture.h"

namespace anchorhold::window_test {
namespace {

constexpr const char* kGrant = R"(
version: 1
kind: grant
name: plain
allow:
  - host: http.example.com
    protocol: http
    port: 80
    private_ranges: [127.0.0.0/8]
  - host: tcp.example.com
    protocol: tcp
    port: 5432
    private_ranges: [127.0.0.0/8]
  - host: tls.example.com
    protocol: tls
    port: 443
    private_ranges: [127.0.0.0/8]
)";

bool greet(const Received&, ByteStream& stream) {
    return stream.write(ok_answer("hello"));
}

void echo(ByteStream& stream) {
    for (std::string bytes = stream.read_some(); !bytes.empty(); bytes = stream.read_some()) {
        stream.write(bytes);
    }
}

WindowOptions options_for(const std::string& host, const StandIn& upstream) {
    WindowOptions options;
    options.policies = {kGrant};
    options.hosts = {{host, upstream.port()}};
    options.upstream_roots = upstream.root_pem();
    return options;
}

StandIn::Options without_tls() {
    StandIn::Options options;
    options.tls = false;
    return options;
}

TEST(PlainHttp, allowed_request_is_answered) {
    StandIn upstream(greet, without_tls());
    TestWindow window(options_for("http.example.com", upstream));
    const auto stream = window.open("http.example.com", 80);
    std::string buffer;
    for (int i = 0; i < 2; ++i) {
        stream->write("GET /x HTTP/1.1\r\nHost: http.example.com\r\n\r\n");
        EXPECT_EQ(read_answer(*stream, buffer).body, "hello");
    }
    EXPECT_EQ(upstream.received().size(), 2U);
}

TEST(PlainHttp, host_outside_the_policy_is_denied_and_the_proxy_lives_on) {
    StandIn upstream(greet, without_tls());
    TestWindow window(options_for("http.example.com", upstream));
    pid_t first = -1;
    for (int i = 0; i < 2; ++i) {
        const auto stream = window.open("other.example.com", 80);
        stream->write("GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n");
        std::string buffer;
        EXPECT_EQ(read_answer(*stream, buffer).status, 403);
        const pid_t pid = window.proxy_pid();
        EXPECT_TRUE(first == -1 || first == pid);
        first = pid;
    }
    window.wait_for_denial("no_rule");
}

TEST(RawTcp, named_host_and_port_is_spliced_and_counted) {
    StandIn::Options raw = without_tls();
    raw.raw = echo;
    StandIn upstream(greet, raw);
    TestWindow window(options_for("tcp.example.com", upstream));
    const auto stream = window.open("tcp.example.com", 5432);
    stream->write("ping");
    std::string buffer;
    EXPECT_EQ(stream->read_exactly(buffer, 4), "ping");
    stream->finish_writing();
    EXPECT_EQ(stream->read_some(), "");
    const auto closed = window.wait_for(
        [](const proto::AuditEvent& event) { return event.has_connection_closed(); });
    EXPECT_EQ(closed.connection_closed().bytes_from_guest(), 4U);
    EXPECT_EQ(closed.connection_closed().bytes_to_guest(), 4U);
}

TEST(RawTcp, other_port_is_reset_and_on_record) {
    StandIn upstream(greet, without_tls());
    TestWindow window(options_for("tcp.example.com", upstream));
    const auto stream = window.open("tcp.example.com", 5433);
    stream->write("\x01\x02ping");
    EXPECT_EQ(stream->read_some(), "");
    window.wait_for_denial("no_rule");
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST(SplicedTls, guest_sees_the_upstreams_own_certificate) {
    StandIn upstream(greet);
    TestWindow window(options_for("tls.example.com", upstream));
    const auto stream = window.open("tls.example.com", 443);
    ASSERT_EQ(stream->start_tls("tls.example.com", upstream.root_pem()), "");
    stream->write("GET / HTTP/1.1\r\nhost: tls.example.com\r\n\r\n");
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).body, "hello");
}

TEST(SplicedTls, another_server_name_is_refused) {
    StandIn upstream(greet);
    TestWindow window(options_for("tls.example.com", upstream));
    const auto stream = window.open("tls.example.com", 443);
    EXPECT_NE(stream->start_tls("other.example.com", upstream.root_pem()), "");
    window.wait_for_denial("host_mismatch");
    EXPECT_EQ(upstream.connections(), 0U);
}

}  // namespace
}  // namespace anchorhold::window_test
