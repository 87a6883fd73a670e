// The client against the bench's own origin, over the loopback.
#include "bench/proxy/load.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "bench/proxy/certificates.h"
#include "bench/proxy/contender.h"
#include "bench/proxy/origin.h"

namespace anchorhold::bench {
namespace {

class Load : public ::testing::Test {
  protected:
    Load() {
        char name[] = "/tmp/anchorhold-load-XXXXXX";
        folder_ = ::mkdtemp(name);
        files_ = make_bench_certificates(folder_).value();
        origin_.emplace(Origin::start(files_).value());
        target_ = {.connect = [this] { return connect_to_loopback(origin_->port()); },
                   .host = kBenchHost,
                   .authority = files_.authority};
    }
    ~Load() override { std::filesystem::remove_all(folder_); }

    static std::string get(const std::string& path) {
        return "GET " + path + " HTTP/1.1\r\nHost: bench.example\r\n\r\n";
    }

    std::string folder_;
    BenchCertificates files_;
    std::optional<Origin> origin_;
    LoadTarget target_;
};

TEST_F(Load, every_connection_is_answered_once) {
    const auto connections = LoadConnections::open(target_, 3, get("/")).value();
    const auto result = connections->run_once(get("/"));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->requests, 3U);
    EXPECT_EQ(result->bytes, 3 * kSmallAnswer);
    EXPECT_EQ(result->latencies_ns.size(), 3U);
}

TEST_F(Load, a_long_body_is_read_to_its_end) {
    constexpr uint64_t kLong = 3'000'001;
    const auto connections = LoadConnections::open(target_, 1, get("/")).value();
    const auto result = connections->run_once(get("/bulk/" + std::to_string(kLong)));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->bytes, kLong);
}

TEST_F(Load, asks_again_until_the_time_is_over) {
    const auto connections = LoadConnections::open(target_, 2, get("/")).value();
    const auto result = connections->run(get("/"), std::chrono::milliseconds(50));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_GT(result->requests, 2U);
    EXPECT_GE(result->elapsed_ns, 50'000'000U);
}

TEST_F(Load, a_name_that_the_certificate_does_not_have_is_an_error) {
    target_.host = "other.example";
    const auto connections = LoadConnections::open(target_, 1, get("/"));
    ASSERT_FALSE(connections);
    EXPECT_NE(connections.error().message.find("certificate verify failed"), std::string::npos)
        << connections.error().message;
}

TEST_F(Load, a_peer_that_is_not_there_is_named) {
    const ProxySurroundings at{.folder = folder_,
                               .origin_port = origin_->port(),
                               .authority = files_.authority,
                               .chain = files_.chain,
                               .key = files_.key,
                               .chain_and_key = files_.both};
    const auto peer = make_proxy_peer("squid", at);
    ASSERT_FALSE(peer);
    EXPECT_NE(peer.error().message.find("squid"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::bench
