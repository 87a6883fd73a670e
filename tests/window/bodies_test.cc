// A body larger than any buffer: the proxy holds little of it, however slow the reader.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/sys.h"
#include "window/fixture.h"

namespace anchorhold::window_test {
namespace {

constexpr const char* kGrant = R"(
version: 1
kind: grant
name: api
allow:
  - host: api.example.com
    methods: [GET]
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
)";

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kBody = 1024 * kMiB;
constexpr size_t kBlock = kMiB / 4;
// Two TCP sockets with Linux's largest automatic buffers (tcp_rmem, tcp_wmem: 6 and 4 MiB), the
// guest's socket pair and the proxy's own buffers.
constexpr size_t kMostOnTheWay = 24 * kMiB;
constexpr size_t kMostPrivate = 4 * kMiB;

// Block `number` of the body: its number in its first bytes, the rest alike.
std::string block(size_t number) {
    std::string bytes(kBlock, 'x');
    std::memcpy(bytes.data(), &number, sizeof number);
    return bytes;
}

// proc(5): what is this process's alone, in bytes.
size_t private_memory(pid_t pid) {
    const std::string rollup =
        sys::read_file("/proc/" + std::to_string(pid) + "/smaps_rollup").value_or("");
    size_t total = 0;
    for (const char* field : {"Private_Clean:", "Private_Dirty:"}) {
        const size_t at = rollup.find(field);
        if (at == std::string::npos) {
            return SIZE_MAX;
        }
        total += std::strtoull(rollup.c_str() + at + std::strlen(field), nullptr, 10) * 1024;
    }
    return total;
}

// Until it has not grown for a fifth of a second: a full pipe is no event. False after 20 s.
bool wait_until_it_stops(const std::atomic<size_t>& count) {
    constexpr int kStepMs = 20;
    constexpr int kStillSteps = 10;
    constexpr int kMostSteps = 1000;
    size_t last = count;
    for (int still = 0, step = 0; step < kMostSteps; ++step) {
        ::poll(nullptr, 0, kStepMs);
        const size_t now = count;
        still = now == last ? still + 1 : 0;
        last = now;
        if (still == kStillSteps && now > 0) {
            return true;
        }
    }
    return false;
}

TEST(Bodies, a_gibibyte_for_a_slow_reader_passes_in_bounded_memory) {
    std::atomic<size_t> sent = 0;
    StandIn upstream([&](const Received&, ByteStream& stream) {
        bool alive = stream.write("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(kBody) +
                                  "\r\n\r\n");
        for (size_t i = 0; alive && i < kBody / kBlock; ++i) {
            alive = stream.write(block(i));
            sent += kBlock;
        }
        return alive;
    });
    TestWindow window({.policies = {kGrant},
                       .hosts = {{"api.example.com", upstream.port()}},
                       .secrets = {{"api-key", "sk-live-9f8e7d6c5b4a39281706f5e4d3c2b1a0"}},
                       .upstream_roots = upstream.root_pem(),
                       .answer = {}});
    const auto stream = window.open_tls("api.example.com");
    ASSERT_TRUE(stream);
    const pid_t proxy = window.proxy_pid();
    const size_t idle = private_memory(proxy);
    ASSERT_LT(idle, SIZE_MAX);

    stream->write("GET /v1/big HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    std::string buffer;
    const std::string head = stream->read_until(buffer, "\r\n\r\n");
    ASSERT_EQ(head.substr(0, 12), "HTTP/1.1 200") << head;
    // A reader that stops: everything on the way fills and the upstream has to wait.
    ASSERT_TRUE(wait_until_it_stops(sent));
    size_t most_on_the_way = sent;
    size_t most_private = private_memory(proxy);
    size_t received = 0;
    for (size_t i = 0; i < kBody / kBlock; ++i) {
        const std::string bytes = stream->read_exactly(buffer, kBlock);
        ASSERT_EQ(bytes.size(), kBlock) << "after " << received;
        ASSERT_TRUE(bytes == block(i)) << "block " << i;
        received += kBlock;
        most_on_the_way = std::max(most_on_the_way, sent - std::min<size_t>(sent, received));
        if (i % 128 == 0) {
            // It stops now and then, and goes on as fast as it can.
            most_private = std::max(most_private, private_memory(proxy));
        }
        if (i == 64) {
            ASSERT_TRUE(wait_until_it_stops(sent));
        }
    }
    RecordProperty("private_memory_idle_kib", static_cast<int>(idle / 1024));
    RecordProperty("private_memory_most_kib", static_cast<int>(most_private / 1024));
    RecordProperty("on_the_way_most_kib", static_cast<int>(most_on_the_way / 1024));
    std::printf("proxy's private memory: idle %zu KiB, most %zu KiB; on the way at most %zu KiB\n",
                idle / 1024, most_private / 1024, most_on_the_way / 1024);
    EXPECT_LE(most_on_the_way, kMostOnTheWay);
    EXPECT_LE(most_private, idle + kMostPrivate);
    const auto outcome =
        window.wait_for([](const proto::AuditEvent& event) { return event.has_outcome(); });
    EXPECT_EQ(outcome.outcome().bytes_in(), kBody);
}

}  // namespace
}  // namespace anchorhold::window_test
