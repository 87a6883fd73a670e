// Servers that are not who they should be, or answer what nobody may be given.
#include <gtest/gtest.h>

#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

const std::string kRequest = "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

class UntrustedUpstream : public ::testing::Test {
  protected:
    static void expect_untrusted(StandIn& upstream, const std::string& roots) {
        TestWindow window({.policies = {kHostilePolicy},
                           .hosts = {{"api.example.com", upstream.port()}},
                           .secrets = {{"api-key", kApiKey}, {"other-key", kOtherKey}},
                           .upstream_roots = roots});
        const HttpAnswer answer = window.ask("api.example.com", kRequest);
        EXPECT_EQ(answer.status, 502);
        window.wait_for_denial("upstream_untrusted");
        EXPECT_TRUE(upstream.received().empty());
    }
    static bool greet(const Received&, ByteStream& stream) {
        return stream.write(ok_answer("hello"));
    }
};

TEST_F(UntrustedUpstream, with_a_root_nobody_knows_gets_nothing) {
    StandIn upstream(greet);
    expect_untrusted(upstream, "");
}

TEST_F(UntrustedUpstream, with_another_servers_root_gets_nothing) {
    StandIn upstream(greet);
    StandIn other(greet);
    expect_untrusted(upstream, other.root_pem());
}

TEST_F(UntrustedUpstream, with_another_name_gets_nothing) {
    StandIn upstream(greet, {.certificate_name = "evil.example.com"});
    expect_untrusted(upstream, upstream.root_pem());
}

TEST_F(UntrustedUpstream, with_an_expired_certificate_gets_nothing) {
    StandIn upstream(greet, {.validity = StandIn::Validity::over});
    expect_untrusted(upstream, upstream.root_pem());
}

TEST_F(UntrustedUpstream, without_tls_gets_nothing) {
    StandIn upstream(greet, {.tls = false, .raw = [](ByteStream& stream) {
                                 stream.write("HTTP/1.1 400 Bad Request\r\n\r\n");
                             }});
    expect_untrusted(upstream, upstream.root_pem());
}

// What an upstream sends, and what becomes of it: 502, or an answer that is visibly cut.
struct BadAnswer {
    const char* name;
    std::string bytes;
    int status = 502;
};
void PrintTo(const BadAnswer& answer, std::ostream* out) {
    *out << answer.name;
}

class BadUpstream : public ::testing::TestWithParam<BadAnswer> {};

TEST_P(BadUpstream, is_not_passed_on_as_a_whole_answer) {
    StandIn upstream([](const Received&, ByteStream& stream) {
        stream.write(GetParam().bytes);
        return false;
    });
    TestWindow window({.policies = {kHostilePolicy},
                       .hosts = {{"open.example.com", upstream.port()}},
                       .secrets = {{"api-key", kApiKey}, {"other-key", kOtherKey}},
                       .upstream_roots = upstream.root_pem()});
    const auto stream = window.open_tls("open.example.com");
    stream->write("GET /v1/models HTTP/1.1\r\nHost: open.example.com\r\n\r\n");
    std::string buffer;
    const HttpAnswer answer = read_answer(*stream, buffer);
    EXPECT_EQ(answer.status, GetParam().status) << answer.head << answer.body;
    const auto outcome =
        window.wait_for([](const proto::AuditEvent& event) { return event.has_outcome(); });
    EXPECT_NE(outcome.outcome().error(), "");
    EXPECT_EQ(buffer.find("HTTP/1.1"), std::string::npos) << "a second answer: " << buffer;
}

std::string answer_with(const std::string& fields, const std::string& body = "hello") {
    return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body;
}
const BadAnswer kBadAnswers[] = {
    {"nothing", ""},
    {"garbage", "\x16\x03\x01 hello\r\n\r\n"},
    {"http_0_9", "hello\r\n\r\n"},
    {"http_2", "HTTP/2 200 OK\r\n\r\n"},
    {"status_of_two_digits", "HTTP/1.1 20 OK\r\n\r\n"},
    {"status_beyond_599", "HTTP/1.1 999 OK\r\n\r\n"},
    {"head_cut_off", "HTTP/1.1 200 OK\r\nx: y\r\n"},
    {"head_beyond_64_kib", answer_with("x: " + std::string(70000, 'a') + "\r\n")},
    {"bare_lf", "HTTP/1.1 200 OK\r\nx: y\nz: a\r\n\r\n"},
    {"folded", answer_with("x: y\r\n z\r\ncontent-length: 5\r\n")},
    {"nul", answer_with(std::string("x: \0\r\ncontent-length: 5\r\n", 24))},
    {"split_by_cr", answer_with("x: a\rset-cookie: b\r\ncontent-length: 5\r\n")},
    {"two_lengths", answer_with("content-length: 5\r\ncontent-length: 6\r\n")},
    {"length_and_coding", answer_with("content-length: 5\r\ntransfer-encoding: chunked\r\n")},
    {"length_negative", answer_with("content-length: -5\r\n")},
    {"two_codings", answer_with("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n")},
    {"unknown_coding", answer_with("transfer-encoding: gzip\r\n")},
    {"upgrade_nobody_asked_for",
     "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello"},
};
INSTANTIATE_TEST_SUITE_P(Answer, BadUpstream, ::testing::ValuesIn(kBadAnswers),
                         [](const auto& each) { return std::string(each.param.name); });

class CutUpstream : public ::testing::TestWithParam<BadAnswer> {};

// The head has gone: the stream ends without its last chunk, its whole length or a close_notify.
TEST_P(CutUpstream, looks_cut_to_the_guest) {
    StandIn upstream([](const Received&, ByteStream& stream) {
        stream.write(GetParam().bytes);
        return false;
    });
    TestWindow window({.policies = {kHostilePolicy},
                       .hosts = {{"open.example.com", upstream.port()}},
                       .secrets = {{"api-key", kApiKey}, {"other-key", kOtherKey}},
                       .upstream_roots = upstream.root_pem()});
    const auto stream = window.open_tls("open.example.com");
    stream->write("GET /v1/models HTTP/1.1\r\nHost: open.example.com\r\n\r\n");
    const auto all = read_to_end(*stream);
    ASSERT_TRUE(all);
    EXPECT_FALSE(all->ends_with("0\r\n\r\n")) << *all;
    EXPECT_TRUE(stream->was_reset());
    const auto outcome =
        window.wait_for([](const proto::AuditEvent& event) { return event.has_outcome(); });
    EXPECT_NE(outcome.outcome().error(), "");
}

const BadAnswer kCutAnswers[] = {
    {"shorter_than_its_length", answer_with("content-length: 50\r\n")},
    {"chunk_cut_off", answer_with("transfer-encoding: chunked\r\n", "50\r\nhello")},
    {"last_chunk_missing", answer_with("transfer-encoding: chunked\r\n", "5\r\nhello\r\n")},
    {"chunk_size_malformed",
     answer_with("transfer-encoding: chunked\r\n", "5x\r\nhello\r\n0\r\n\r\n")},
    {"chunk_longer_than_its_size",
     answer_with("transfer-encoding: chunked\r\n", "3\r\nhello\r\n0\r\n\r\n")},
    {"trailers_beyond_their_bound",
     answer_with("transfer-encoding: chunked\r\n", "0\r\nx: " + std::string(20000, 'a'))},
};
INSTANTIATE_TEST_SUITE_P(Answer, CutUpstream, ::testing::ValuesIn(kCutAnswers),
                         [](const auto& each) { return std::string(each.param.name); });

class UpstreamAnswer : public HostileGuest {
  protected:
    UpstreamAnswer() : HostileGuest(answer) {}
    static bool answer(const Received& request, ByteStream& stream) {
        if (request.head.starts_with("GET /v1/early ")) {
            stream.write(ok_answer("first") +
                         "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled");
            return true;
        }
        return stream.write(
            "HTTP/1.1 200 OK\r\nalt-svc: h3=\":443\"; ma=86400\r\nAlt-Svc: h2=\"evil:1\"\r\n"
            "connection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\ntransfer-encoding: chunked\r\n\r\n"
            "5;ext=1\r\nhello\r\n0\r\nx-sum: 1\r\nauthorization: a\r\nset-cookie: b\r\n"
            "content-length: 3\r\nx-api-key: c\r\n\r\n");
    }
};

TEST_F(UpstreamAnswer, loses_alt_svc_hop_by_hop_fields_extensions_and_forbidden_trailers) {
    const auto stream = window.open_tls("api.example.com");
    stream->write("GET /v1/m HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n");
    const auto all = read_to_end(*stream);
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->ends_with("\r\n0\r\nx-sum: 1\r\n\r\n")) << *all;
    for (const char* gone : {"alt-svc", "x-hop", "keep-alive", "ext=", "set-cookie", "x-api-key",
                             "authorization", "content-length"}) {
        EXPECT_EQ(all->find(gone), std::string::npos) << gone << " in " << *all;
    }
}

TEST_F(UpstreamAnswer, that_nobody_asked_for_is_given_to_no_later_request) {
    const auto stream = window.open_tls("api.example.com");
    std::string buffer;
    for (int i = 0; i < 2; ++i) {
        stream->write("GET /v1/early HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
        EXPECT_EQ(read_answer(*stream, buffer).body, "first");
    }
    EXPECT_EQ(upstream.connections(), 2U);
}

}  // namespace
}  // namespace anchorhold::window_test
