// What guest root may put on the vsock port: claims that are lies, streams that say nothing, and
// names that lead inside.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "proto/frame.h"
#include "window/hostile.h"
#include "window/raw_hello.h"

namespace anchorhold::window_test {
namespace {

using namespace std::string_literals;

const std::string kRequest = "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

std::string framed(const proto::StreamOpen& claim) {
    std::string frame;
    proto::append_frame(frame, claim);
    return frame;
}
std::string claim_with(const std::string& host, uint32_t port) {
    proto::StreamOpen claim;
    claim.set_host(host);
    claim.set_port(port);
    return framed(claim);
}
std::string claim_with_address(const std::string& address) {
    proto::StreamOpen claim;
    claim.set_address(address);
    claim.set_port(443);
    return framed(claim);
}

struct Claim {
    const char* name;
    std::string bytes;
};
void PrintTo(const Claim& claim, std::ostream* out) {
    *out << claim.name;
}
class HostileClaim : public HostileGuest, public ::testing::WithParamInterface<Claim> {};

TEST_P(HostileClaim, ends_the_stream) {
    const auto stream = window.open_raw();
    stream->write(GetParam().bytes + kRequest);
    stream->finish_writing();
    EXPECT_EQ(read_to_end(*stream), "");
    window.wait_for_denial("malformed");
    EXPECT_EQ(upstream.connections(), 0U);
}

const Claim kClaims[] = {
    {"port_zero", claim_with("api.example.com", 0)},
    {"port_65536", claim_with("api.example.com", 65536)},
    {"port_70000", claim_with("api.example.com", 70000)},
    {"port_that_wraps_to_443", claim_with("api.example.com", 65536 + 443)},
    {"nothing", framed({})},
    {"empty_host", claim_with("", 443)},
    {"host_with_underscore", claim_with("a_b.example.com", 443)},
    {"host_with_nul", claim_with("api.example.com\0.evil.com"s, 443)},
    {"host_with_line_end", claim_with("api.example.com\r\nX: y", 443)},
    {"host_that_is_an_address", claim_with("169.254.169.254", 443)},
    {"host_that_is_a_number", claim_with("2852039166", 443)},
    {"host_of_4000_bytes", claim_with(std::string(4000, 'a'), 443)},
    {"address_of_5_bytes", claim_with_address("\x7f\0\0\x01\0"s)},
    {"address_of_none", claim_with_address("")},
    {"address_of_17_bytes", claim_with_address(std::string(17, '\0'))},
    {"frame_of_4_gib", "\xff\xff\xff\xff"s},
    {"frame_beyond_the_bound", "\x01\x10\0\0"s + std::string(4097, 'a')},
    {"frame_of_garbage", "\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"s},
    {"frame_cut_off", "\x40\0\0\0\x0a\x0f"s},
    {"no_frame", ""},
};
INSTANTIATE_TEST_SUITE_P(Claim, HostileClaim, ::testing::ValuesIn(kClaims),
                         [](const auto& each) { return std::string(each.param.name); });

// protobuf keeps the later of a oneof's two: the name is not judged while the address is dialled.
TEST_F(HostileGuest, claim_of_both_a_name_and_an_address_is_one_of_them) {
    const auto stream = window.open_raw();
    proto::StreamOpen name;
    name.set_host("api.example.com");
    name.set_port(443);
    proto::StreamOpen address;
    address.set_address("\x0a\0\0\x01"s);
    const std::string both = name.SerializeAsString() + address.SerializeAsString();
    stream->write(std::string({static_cast<char>(both.size()), 0, 0, 0}) + both);
    ASSERT_EQ(stream->start_tls("api.example.com", window.root_pem()), "");
    stream->write(kRequest);
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
    const auto opened =
        window.wait_for([](const proto::AuditEvent& event) { return event.has_connection(); });
    EXPECT_EQ(opened.connection().claimed_address(), "10.0.0.1");
    EXPECT_EQ(opened.connection().claimed_host(), "");
}

// The name is dialled, never the address that the guest says it had for it.
TEST_F(HostileGuest, server_name_forged_for_an_address_leads_to_the_name) {
    proto::StreamOpen claim;
    claim.set_address("\xcb\0\x71\x07"s);  // 203.0.113.7
    claim.set_port(443);
    const auto stream = window.open(claim);
    ASSERT_EQ(stream->start_tls("api.example.com", window.root_pem()), "");
    stream->write(kRequest);
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
    const auto outcome =
        window.wait_for([](const proto::AuditEvent& event) { return event.has_outcome(); });
    EXPECT_EQ(outcome.outcome().upstream_address(), "127.0.0.1");
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(HostileGuest, address_without_a_server_name_is_no_granted_name) {
    proto::StreamOpen claim;
    claim.set_address("\x7f\0\0\x01"s);
    claim.set_port(upstream.port());
    const auto stream = window.open(claim);
    ASSERT_EQ(stream->start_tls("", window.root_pem()), "");
    stream->write("GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(upstream.port()) +
                  "\r\n\r\n");
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 403);
    window.wait_for_denial("no_rule");
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(HostileGuest, plain_http_to_a_granted_https_name_is_denied) {
    for (const uint16_t port : {uint16_t{80}, uint16_t{443}}) {
        const auto stream = window.open("api.example.com", port);
        stream->write("GET /v1/models HTTP/1.1\r\nHost: api.example.com:" + std::to_string(port) +
                      "\r\n\r\n");
        std::string buffer;
        EXPECT_EQ(read_answer(*stream, buffer).status, 403);
    }
    window.wait_for_denial("no_rule");
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(HostileGuest, half_open_stream_ends_with_its_request_answered) {
    const auto stream = window.open_tls("api.example.com");
    stream->write(kRequest);
    stream->finish_writing();
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
    EXPECT_EQ(read_to_end(*stream), "");
}

TEST_F(HostileGuest, stream_dropped_inside_a_request_reaches_nobody) {
    {
        const auto stream = window.open_tls("api.example.com");
        stream->write("POST /v1/files HTTP/1.1\r\nHost: api.example.com\r\nContent-Le");
    }
    window.wait_for([](const proto::AuditEvent& event) { return event.has_connection_closed(); });
    EXPECT_TRUE(upstream.received().empty());
}

TEST_F(HostileGuest, thousand_silent_streams_stop_nobody) {
    std::vector<std::unique_ptr<GuestStream>> silent;
    for (int i = 0; i < 1000; ++i) {
        silent.push_back(i % 2 == 0 ? window.open_raw() : window.open("api.example.com", 443));
    }
    EXPECT_EQ(window.ask("api.example.com", kRequest).status, 200);
}

// A name that leads inside, at whatever moment it starts to.
struct Inside {
    const char* name;
    std::string address;
};
void PrintTo(const Inside& inside, std::ostream* out) {
    *out << inside.name;
}
class Rebinding : public ::testing::TestWithParam<Inside> {};

constexpr const char* kPublicOnly = R"(
version: 1
kind: grant
name: public
allow:
  - host: rebound.example.com
)";

TEST_P(Rebinding, to_an_address_inside_is_refused) {
    TestWindow window(
        {.policies = {kPublicOnly}, .addresses = {{"rebound.example.com", GetParam().address}}});
    const HttpAnswer answer = window.ask("rebound.example.com",
                                         "GET /v1/m HTTP/1.1\r\nHost: rebound.example.com\r\n\r\n");
    EXPECT_EQ(answer.status, 502);
    EXPECT_NE(answer.body.find("forbidden_address"), std::string::npos) << answer.body;
    window.wait_for_denial("forbidden_address");
}

const Inside kInside[] = {
    {"loopback", "\x7f\0\0\x01"s},
    {"loopback_other", "\x7f\x12\x34\x56"s},
    {"any", "\0\0\0\0"s},
    {"private_10", "\x0a\0\0\x01"s},
    {"private_172", "\xac\x10\0\x01"s},
    {"private_192", "\xc0\xa8\x01\x01"s},
    {"carrier", "\x64\x40\0\x01"s},
    {"link_local", "\xa9\xfe\x01\x01"s},
    {"metadata", "\xa9\xfe\xa9\xfe"s},
    {"metadata_azure", "\xa8\x3f\x81\x10"s},
    {"multicast", "\xe0\0\0\x01"s},
    {"broadcast", "\xff\xff\xff\xff"s},
    {"v6_loopback", std::string(15, '\0') + "\x01"},
    {"v6_any", std::string(16, '\0')},
    {"v6_link_local", "\xfe\x80"s + std::string(13, '\0') + "\x01"},
    {"v6_unique_local", "\xfd\0"s + std::string(13, '\0') + "\x01"},
    {"v6_metadata_aws", "\xfd\0\x0e\xc2"s + std::string(10, '\0') + "\x02\x54"},
    {"v4_mapped_loopback", std::string(10, '\0') + "\xff\xff\x7f\0\0\x01"s},
    {"v4_mapped_metadata", std::string(10, '\0') + "\xff\xff\xa9\xfe\xa9\xfe"s},
    {"v4_compatible_private", std::string(12, '\0') + "\x0a\0\0\x01"s},
    {"nat64_private", "\0\x64\xff\x9b"s + std::string(8, '\0') + "\x0a\0\0\x01"s},
    {"six_to_four_private", "\x20\x02\x0a\0\0\x01"s + std::string(10, '\0')},
    {"teredo", "\x20\x01\0\0"s + std::string(12, '\x01')},
};
INSTANTIATE_TEST_SUITE_P(Address, Rebinding, ::testing::ValuesIn(kInside),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace anchorhold::window_test
