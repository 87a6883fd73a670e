// The supervisor's settings.
#include "dialer/routes.h"

#include <gtest/gtest.h>

namespace anchorhold::dialer {
namespace {

proto::UpstreamProxy proxy(std::vector<std::string> hosts, const std::string& host, uint32_t port) {
    proto::UpstreamProxy result;
    result.mutable_hosts()->Assign(hosts.begin(), hosts.end());
    result.set_host(host);
    result.set_port(port);
    return result;
}

TEST(RoutesTest, first_proxy_that_matches_is_used_and_an_empty_one_means_direct) {
    proto::DialerSettings settings;
    *settings.add_proxies() = proxy({"internal.example", "*.internal.example"}, "", 0);
    *settings.add_proxies() = proxy({"*.example"}, "10.0.0.5", 3128);
    *settings.add_proxies() = proxy({"*"}, "proxy.corp", 8080);
    Routes routes;
    ASSERT_TRUE(routes.add(settings));
    EXPECT_EQ(routes.proxy_for("a.internal.example"), nullptr);
    EXPECT_EQ(routes.proxy_for("internal.example"), nullptr);
    EXPECT_EQ(routes.proxy_for("a.example")->host, "10.0.0.5");
    EXPECT_EQ(routes.proxy_for("other.test")->host, "proxy.corp");
    EXPECT_EQ(routes.proxy_for("")->host, "proxy.corp");
}

TEST(RoutesTest, malformed_proxy_is_refused) {
    for (const proto::UpstreamProxy& bad :
         {proxy({"a..b"}, "10.0.0.5", 3128), proxy({"*"}, "no name", 3128),
          proxy({"*"}, "proxy.corp", 0), proxy({"*"}, "proxy.corp", 70000)}) {
        proto::DialerSettings settings;
        *settings.add_proxies() = bad;
        EXPECT_FALSE(Routes().add(settings));
    }
}

TEST(RoutesTest, authorization_with_a_line_end_is_refused) {
    proto::DialerSettings settings;
    *settings.add_proxies() = proxy({"*"}, "10.0.0.5", 3128);
    settings.mutable_proxies(0)->set_authorization("Basic eA==\r\nX-Other: y");
    EXPECT_FALSE(Routes().add(settings));
}

TEST(RoutesTest, override_answers_for_its_name_only) {
    proto::DialerSettings settings;
    proto::HostOverride& given = *settings.add_overrides();
    given.set_host("a.example");
    given.set_address(std::string("\x7f\0\0\1", 4));
    given.set_port(8443);
    Routes routes;
    ASSERT_TRUE(routes.add(settings));
    EXPECT_EQ(routes.override_for("a.example")->address.text(), "127.0.0.1");
    EXPECT_EQ(routes.override_for("a.example")->port, 8443);
    EXPECT_EQ(routes.override_for("b.example"), nullptr);
    EXPECT_EQ(routes.override_for(""), nullptr);
}

TEST(RoutesTest, override_without_a_whole_address_is_refused) {
    proto::DialerSettings settings;
    settings.add_overrides()->set_host("a.example");
    settings.mutable_overrides(0)->set_address("abc");
    EXPECT_FALSE(Routes().add(settings));
}

}  // namespace
}  // namespace anchorhold::dialer
