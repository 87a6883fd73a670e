// What happens when a part of the window is gone: nothing leaves unwritten, the guest sees an end,
// and the next request is served.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>

#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

const std::string kRequest = "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

void kill_process(pid_t pid) {
    ASSERT_GT(pid, 1);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
}

// ---- the log -----------------------------------------------------------------------------------

TEST_F(HostileGuest, log_that_cannot_be_written_lets_nothing_leave) {
    std::vector<std::unique_ptr<GuestStream>> streams;
    for (int i = 0; i < 16; ++i) {
        streams.push_back(window.open_tls("api.example.com"));
    }
    TestWindow::break_log();
    for (const auto& stream : streams) {
        stream->write(kRequest);
    }
    for (const auto& stream : streams) {
        std::string buffer;
        const HttpAnswer answer = read_answer(*stream, buffer);
        EXPECT_TRUE(answer.status == 0 || answer.status >= 400) << answer.head;
    }
    const std::string why = window.wait_for_failure();
    EXPECT_NE(why.find("audit log"), std::string::npos) << why;
    EXPECT_TRUE(upstream.received().empty());
}

// ---- processes ---------------------------------------------------------------------------------

// Holds each answer back until it is told to go on.
class SlowUpstream : public HostileGuest {
  protected:
    SlowUpstream()
        : HostileGuest([this](const Received&, ByteStream& stream) {
              arrived_.set_value();
              go_on_.get_future().wait();
              return stream.write(ok_answer("hello"));
          }) {}

    std::unique_ptr<GuestStream> ask_and_wait() {
        auto stream = window.open_tls("api.example.com");
        stream->write(kRequest);
        arrived_.get_future().wait();
        return stream;
    }
    void go_on() { go_on_.set_value(); }
    void rearm() {
        arrived_ = {};
        go_on_ = {};
    }
    void expect_next_is_answered() {
        rearm();
        go_on();
        EXPECT_EQ(window.ask("api.example.com", kRequest).status, 200);
    }

    std::promise<void> arrived_;
    std::promise<void> go_on_;
};

TEST_F(SlowUpstream, proxy_killed_inside_a_request_ends_it_and_the_next_is_answered) {
    const auto stream = ask_and_wait();
    kill_process(window.proxy_pid());
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 0);
    go_on();
    window.wait_for([](const proto::AuditEvent& event) {
        return event.has_proxy() && event.proxy().process() == "proxy";
    });
    expect_next_is_answered();
}

TEST_F(SlowUpstream, zygote_killed_inside_a_request_ends_it_and_the_next_is_answered) {
    const auto stream = ask_and_wait();
    kill_process(window.zygote_pid());
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 0);
    go_on();
    expect_next_is_answered();
}

// The connection is the proxy's already.
TEST_F(SlowUpstream, dialer_killed_inside_a_request_disturbs_nobody) {
    const auto stream = ask_and_wait();
    kill_process(window.dialer_pid());
    go_on();
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
    // Until there is another, requests are refused.
    int status = 503;
    for (int i = 0; i < 100 && status == 503; ++i) {
        rearm();
        go_on();
        status = window.ask("api.example.com", kRequest).status;
    }
    EXPECT_EQ(status, 200);
}

// A listener whose queue is full: connecting to it takes for ever.
struct FullListener {
    FullListener() : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size);
        ::listen(listener.get(), 0);
        ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
        for (OwnFd& fd : filling) {
            fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size);
        }
    }
    OwnFd listener;
    OwnFd filling[4];
    uint16_t port = 0;
};

std::set<std::string> own_sockets() {
    std::set<std::string> inodes;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const std::string target = std::filesystem::read_symlink(entry.path(), gone);
        if (target.starts_with("socket:[")) {
            inodes.insert(target.substr(8, target.size() - 9));
        }
    }
    return inodes;
}

// Somebody's connect() to that port of loopback waits for an answer (SYN-SENT), beyond those of
// FullListener itself.
bool wait_for_connect_to(uint16_t port) {
    char remote[16];
    std::snprintf(remote, sizeof remote, "0100007F:%04X", unsigned{port});
    for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
         std::chrono::steady_clock::now() < until; ::sched_yield()) {
        std::ifstream file("/proc/net/tcp");
        std::string slot;
        std::string local;
        std::string other;
        std::string state;
        std::string rest;
        while (file >> slot >> local >> other >> state && std::getline(file, rest)) {
            std::istringstream words(rest);
            std::string queues;
            std::string timer;
            std::string retries;
            std::string uid;
            std::string timeouts;
            std::string inode;
            words >> queues >> timer >> retries >> uid >> timeouts >> inode;
            if (other == remote && state == "02" && !own_sockets().contains(inode)) {
                return true;
            }
        }
    }
    return false;
}

TEST(DialerOfAWindow, killed_while_it_connects_is_told_to_the_guest_and_replaced) {
    const FullListener full;
    StandIn upstream(
        [](const Received&, ByteStream& stream) { return stream.write(ok_answer("hello")); });
    TestWindow window(
        {.policies = {kHostilePolicy},
         .hosts = {{"api.example.com", upstream.port()}, {"open.example.com", full.port}},
         .secrets = {{"api-key", kApiKey}, {"other-key", kOtherKey}},
         .upstream_roots = upstream.root_pem()});
    const auto waiting = window.open("open.example.com", 443);
    std::thread killer([&] {
        EXPECT_TRUE(wait_for_connect_to(full.port));
        kill_process(window.dialer_pid());
    });
    // The handshake waits for the upstream's: it ends, in whichever way, and soon.
    const auto before = std::chrono::steady_clock::now();
    if (waiting->start_tls("open.example.com", window.root_pem()).empty()) {
        waiting->write("GET /v1/models HTTP/1.1\r\nHost: open.example.com\r\n\r\n");
        std::string buffer;
        const HttpAnswer answer = read_answer(*waiting, buffer);
        EXPECT_TRUE(answer.status == 0 || answer.status >= 500) << answer.head;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(9));
    killer.join();
    EXPECT_EQ(window.ask("api.example.com", kRequest).status, 200);
}

}  // namespace
}  // namespace anchorhold::window_test
