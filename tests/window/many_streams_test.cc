// As many streams as a busy agent has, all open at once.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <vector>

#include "window/fixture.h"

namespace anchorhold::window_test {
namespace {

constexpr size_t kStreams = 1000;

constexpr const char* kPolicy = R"(version: 1
kind: grant
name: api
allow:
  - host: api.example.com
    private_ranges: [127.0.0.0/8]
)";

TEST(ManyStreams, a_thousand_requests_wait_for_their_answers_at_once) {
    // What most hosts give a process; a proxy needs two descriptors for each stream.
    rlimit found{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &found), 0);
    ASSERT_GE(found.rlim_max, 4 * kStreams) << "the test itself needs more descriptors";
    std::atomic<size_t> waiting = 0;
    StandIn upstream([&](const Received&, ByteStream& stream) {
        ++waiting;
        waiting.notify_all();
        for (size_t now = waiting; now < kStreams; now = waiting) {
            waiting.wait(now);
        }
        return stream.write(ok_answer("together"));
    });
    const rlimit usual{1024, found.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
    TestWindow window({.policies = {kPolicy},
                       .hosts = {{"api.example.com", upstream.port()}},
                       .upstream_roots = upstream.root_pem()});
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &found), 0);
    std::vector<std::unique_ptr<GuestStream>> streams;
    for (size_t i = 0; i < kStreams; ++i) {
        streams.push_back(window.open_tls("api.example.com"));
        streams.back()->write("GET /" + std::to_string(i) +
                              " HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    }
    for (const auto& stream : streams) {
        std::string buffer;
        ASSERT_EQ(read_answer(*stream, buffer).body, "together");
    }
    EXPECT_EQ(upstream.received().size(), kStreams);
}

}  // namespace
}  // namespace anchorhold::window_test
