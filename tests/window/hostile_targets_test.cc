// Names, methods and paths inside TLS that are not what policy would take them for.
#include <gtest/gtest.h>

#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

using namespace std::string_literals;

std::string with_host(const std::string& host) {
    return "GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}
std::string with_target(const std::string& target, const std::string& fields = {}) {
    return "GET " + target + " HTTP/1.1\r\nHost: api.example.com\r\n" + fields + "\r\n";
}

class HostileTarget : public HostileRequest {};

TEST_P(HostileTarget, is_denied_before_anything_leaves) {
    expect_denied(GetParam());
}

const Attack kHosts[] = {
    {"other_name", with_host("evil.example.com"), "host_mismatch", 421},
    {"other_granted_name", with_host("open.example.com"), "host_mismatch", 421},
    {"other_port", with_host("api.example.com:8443"), "host_mismatch", 421},
    {"http_port", with_host("api.example.com:80"), "host_mismatch", 421},
    {"suffix", with_host("api.example.com.evil.com"), "host_mismatch", 421},
    {"subdomain", with_host("x.api.example.com"), "host_mismatch", 421},
    {"address", with_host("127.0.0.1"), "host_mismatch", 421},
    {"address_v6", with_host("[::1]"), "host_mismatch", 421},
    {"empty", with_host(""), "bad_name"},
    {"user_information", with_host("user@api.example.com"), "bad_name"},
    {"port_then_user_information", with_host("api.example.com:443@evil.com"), "bad_name"},
    {"list", with_host("api.example.com, evil.com"), "bad_name"},
    {"inner_space", with_host("api.example.com evil.com"), "bad_name"},
    {"slash", with_host("api.example.com/x"), "bad_name"},
    {"port_zero", with_host("api.example.com:0"), "bad_name"},
    {"port_too_large", with_host("api.example.com:65979"), "bad_name"},
    {"port_without_digits", with_host("api.example.com:"), "bad_name"},
    {"port_with_plus", with_host("api.example.com:+443"), "bad_name"},
    {"underscore", with_host("api_x.example.com"), "bad_name"},
    {"two_trailing_dots", with_host("api.example.com.."), "bad_name"},
    {"byte_beyond_ascii", with_host("api.example.c\xc3\xb6m"), "bad_name"},
    {"percent", with_host("api%2eexample.com"), "bad_name"},
};
INSTANTIATE_TEST_SUITE_P(Host, HostileTarget, ::testing::ValuesIn(kHosts), attack_name);

const Attack kTargets[] = {
    {"absolute_form", with_target("https://api.example.com/v1/models"), "bad_target"},
    {"absolute_form_elsewhere", with_target("http://evil.example.com/v1/models"), "bad_target"},
    {"absolute_form_metadata", with_target("http://169.254.169.254/latest/"), "bad_target"},
    {"authority_form", with_target("api.example.com:443"), "bad_target"},
    {"asterisk", with_target("*"), "no_rule", 403},
    {"dot_segments", with_target("/v1/../admin"), "bad_target"},
    {"dot_segment_at_the_end", with_target("/v1/.."), "bad_target"},
    {"single_dot", with_target("/v1/./models"), "bad_target"},
    {"encoded_dots", with_target("/v1/%2e%2e/admin"), "bad_target"},
    {"half_encoded_dots", with_target("/v1/.%2E/admin"), "bad_target"},
    {"dots_with_parameter", with_target("/v1/..;a=b/admin"), "bad_target"},
    {"dots_with_encoded_slash", with_target("/v1/..%2fadmin"), "bad_target"},
    {"dots_behind_encoded_slash", with_target("/v1/a%2f..%2f..%2fadmin"), "bad_target"},
    {"double_encoded_dots", with_target("/v1/%252e%252e/admin"), "bad_target"},
    {"encoded_slash_for_a_slash", with_target("/v1%2fmodels"), "no_rule", 403},
    {"backslash", with_target("/v1/..\\admin"), "bad_target"},
    {"encoded_backslash", with_target("/v1/..%5cadmin"), "bad_target"},
    {"encoded_nul", with_target("/v1/models%00"), "bad_target"},
    {"encoded_line_end", with_target("/v1/models%0d%0aX-A:b"), "bad_target"},
    {"encoding_cut_off", with_target("/v1/models%2"), "bad_target"},
    {"encoding_of_nothing", with_target("/v1/%zz"), "bad_target"},
    {"overlong_utf8", with_target("/v1/%c0%ae%c0%ae/admin"), "bad_target"},
    {"empty_segment", with_target("//v1/models"), "bad_target"},
    {"empty_inner_segment", with_target("/v1//models"), "bad_target"},
    {"fragment", with_target("/v1/models#/admin"), "bad_target"},
    {"no_slash", with_target("v1/models"), "bad_target"},
    {"other_case", with_target("/V1/models"), "no_rule", 403},
    {"longer_than_8_kib", with_target("/v1/" + std::string(9000, 'a')), "bad_target"},
};
INSTANTIATE_TEST_SUITE_P(Target, HostileTarget, ::testing::ValuesIn(kTargets), attack_name);

const Attack kMethods[] = {
    {"connect", "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n",
     "connect_refused", 403},
    {"connect_elsewhere", "CONNECT 10.0.0.1:22 HTTP/1.1\r\nHost: 10.0.0.1:22\r\n\r\n",
     "connect_refused", 403},
    {"connect_with_origin_form", "CONNECT /v1/x HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
     "connect_refused", 403},
    {"lower_case", "get /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "no_rule", 403},
    {"not_granted", "DELETE /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "no_rule", 403},
    {"trace", "TRACE /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "no_rule", 403},
    {"options_asterisk", "OPTIONS * HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "no_rule", 403},
    {"x_http_method_override", with_target("/v1/m", "X-HTTP-Method-Override: DELETE\r\n"),
     "method_override", 403},
    {"x_http_method", with_target("/v1/m", "X-HTTP-Method: DELETE\r\n"), "method_override", 403},
    {"x_method_override", with_target("/v1/m", "X-Method-Override: DELETE\r\n"), "method_override",
     403},
    {"h2c",
     with_target("/v1/m",
                 "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n"),
     "upgrade_refused", 403},
    {"h2c_among_others", with_target("/v1/m", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n"),
     "upgrade_refused", 403},
    {"tls_inside", with_target("/v1/m", "Connection: upgrade\r\nUpgrade: TLS/1.2\r\n"),
     "upgrade_refused", 403},
    {"websocket_without_a_key",
     with_target("/v1/m",
                 "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
     "malformed"},
    {"websocket_with_a_body",
     with_target("/v1/m",
                 "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 1\r\n") +
         "x",
     "malformed"},
};
INSTANTIATE_TEST_SUITE_P(Method, HostileTarget, ::testing::ValuesIn(kMethods), attack_name);

TEST_F(HostileGuest, host_in_another_spelling_is_sent_in_its_one_form) {
    for (const char* spelling : {"API.Example.COM", "api.example.com.", "api.example.com:443"}) {
        EXPECT_EQ(window.ask("api.example.com", with_host(spelling)).status, 200) << spelling;
    }
    for (const Received& request : upstream.received()) {
        EXPECT_NE(request.head.find("\r\nhost: api.example.com\r\n"), std::string::npos)
            << request.head;
    }
}

TEST_F(HostileGuest, target_is_forwarded_in_the_form_that_was_matched) {
    EXPECT_EQ(window.ask("api.example.com", with_target("/%76%31/a%2Fb/%7euser?q=%2e%2e")).status,
              200);
    ASSERT_EQ(upstream.received().size(), 1U);
    EXPECT_TRUE(upstream.received()[0].head.starts_with("GET /v1/a%2Fb/~user?q=%2e%2e HTTP/1.1"))
        << upstream.received()[0].head;
}

}  // namespace
}  // namespace anchorhold::window_test
