// The keeper's protocol: what is held comes back, what is dropped is closed, and a hostile client
// costs nothing.
#include "keeper/keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/sys.h"
#include "base/unix_socket.h"
#include "fakes/manual_clock.h"

namespace anchorhold::keeper {
namespace {

using namespace std::chrono_literals;

size_t open_descriptors() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
        ++count;
    }
    return count;
}

class KeeperTest : public testing::Test {
  protected:
    KeeperTest() {
        EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
        start({});
    }
    ~KeeperTest() override {
        keeper.reset();
        std::filesystem::remove_all(folder_);
    }

    void start(std::optional<Duration> patience) {
        keeper.reset();
        OwnFd listener = listen_unix(path(), SOCK_SEQPACKET).value();
        Keeper::Options options;
        options.patience = patience;
        options.on_idle = [this] { ++idle; };
        keeper = Keeper::create(*loop, std::move(listener), std::move(options)).value();
    }
    [[nodiscard]] std::string path() const { return folder_ + "/keeper"; }

    OwnFd connect() {
        OwnFd client = connect_unix(path(), SOCK_SEQPACKET).value();
        turn();
        return client;
    }
    void turn() { ASSERT_TRUE(loop->run_once(1s)); }

    static void send(const OwnFd& client, const proto::KeeperRequest& request,
                     std::span<const int> fds = {}) {
        ASSERT_TRUE(send_packet(client.get(), request.SerializeAsString(), fds));
    }
    // The answer's error, or its names joined.
    std::string ask(const OwnFd& client, const proto::KeeperRequest& request,
                    std::span<const int> fds = {}) {
        send(client, request, fds);
        turn();
        auto packet = receive_packet(client.get());
        if (!packet || !packet->has_value() || (*packet)->bytes.empty()) {
            return "gone";
        }
        proto::KeeperAnswer answer;
        EXPECT_TRUE(answer.ParseFromString((*packet)->bytes));
        taken = std::move((*packet)->fds);
        std::string text = answer.error();
        for (const std::string& name : answer.names()) {
            text += (text.empty() ? "" : " ") + name;
        }
        EXPECT_EQ(answer.done(), answer.error().empty());
        return (text.empty() ? "done" : text) + (answer.more() ? " …" : "");
    }

    static proto::KeeperRequest hold(const std::string& sandbox,
                                     const std::vector<std::string>& roles) {
        proto::KeeperRequest request;
        request.mutable_hold()->set_sandbox(sandbox);
        for (const std::string& role : roles) {
            request.mutable_hold()->add_roles(role);
        }
        return request;
    }
    static proto::KeeperRequest take(const std::string& sandbox) {
        proto::KeeperRequest request;
        request.mutable_take()->set_sandbox(sandbox);
        return request;
    }
    static proto::KeeperRequest drop(const std::string& sandbox) {
        proto::KeeperRequest request;
        request.mutable_drop()->set_sandbox(sandbox);
        return request;
    }
    static proto::KeeperRequest list(const std::string& after = "") {
        proto::KeeperRequest request;
        request.mutable_list()->set_after(after);
        return request;
    }

    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
    int idle = 0;
    std::unique_ptr<Keeper> keeper;
    std::vector<OwnFd> taken;

  private:
    std::string folder_ = testing::TempDir() + "keeper-XXXXXX";
};

TEST_F(KeeperTest, held_descriptor_outlives_its_supervisor) {
    auto [vmm, supervisor] = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK).value();
    {
        const OwnFd client = connect();
        const int fd = supervisor.get();
        EXPECT_EQ(ask(client, hold("amber", {"control"}), {&fd, 1}), "done");
    }
    supervisor.reset();
    turn();
    char byte = 0;
    EXPECT_EQ(::recv(vmm.get(), &byte, 1, 0), -1) << "end of file although it is held";
    ASSERT_TRUE(sys::write_all(vmm.get(), "x"));

    const OwnFd next = connect();
    EXPECT_EQ(ask(next, list()), "amber");
    EXPECT_EQ(ask(next, take("amber")), "control");
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ(::recv(taken[0].get(), &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'x');
    taken.clear();

    EXPECT_EQ(ask(next, drop("amber")), "done");
    EXPECT_EQ(::recv(vmm.get(), &byte, 1, 0), 0) << "still open after drop";
    EXPECT_EQ(ask(next, take("amber")), "nothing is held for amber");
}

TEST_F(KeeperTest, roles_add_up_and_replace) {
    const OwnFd client = connect();
    const OwnFd one = sys::memfd("one", 1).value();
    const OwnFd two = sys::memfd("two", 2).value();
    const std::array<int, 2> both = {one.get(), two.get()};
    EXPECT_EQ(ask(client, hold("a", {"disk", "memory"}), both), "done");
    const int fd = two.get();
    EXPECT_EQ(ask(client, hold("a", {"disk"}), {&fd, 1}), "done");
    EXPECT_EQ(ask(client, take("a")), "disk memory");
    for (const OwnFd& role : taken) {
        EXPECT_EQ(sys::file_size(role.get(), "role").value(), 2U);
    }
}

TEST_F(KeeperTest, ended_process_gives_its_memory_back_and_keeps_its_last_words) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    const OwnFd pidfd = sys::pidfd_open(child).value();
    const OwnFd memory = sys::memfd("memory", 1).value();
    auto [control, vmm] = sys::socket_pair(SOCK_SEQPACKET).value();
    OwnFd client = connect();
    const std::array<int, 3> fds = {control.get(), memory.get(), pidfd.get()};
    EXPECT_EQ(ask(client, hold("a", {"control", "memory", "pidfd"}), fds), "done");
    ::kill(child, SIGKILL);
    turn();
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(ask(client, take("a")), "control pidfd");
    client.reset();
    turn();
    EXPECT_EQ(keeper->clients(), 0U);
    EXPECT_EQ(keeper->sandboxes(), 1U);
    clock.advance(Keeper::kLastWords - 1s);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(idle, 0);
    clock.advance(2s);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(idle, 1);
}

TEST_F(KeeperTest, malformed_requests_are_refused_and_leak_nothing) {
    const OwnFd client = connect();
    const OwnFd file = sys::memfd("file", 1).value();
    const std::array<int, 2> two = {file.get(), file.get()};
    const auto before = open_descriptors();
    EXPECT_EQ(ask(client, hold("a", {"disk"}), two), "roles and descriptors are not of one number");
    EXPECT_EQ(ask(client, hold("a", {})), "roles and descriptors are not of one number");
    EXPECT_EQ(ask(client, hold("", {"x", "y"}), two),
              "a sandbox's name is 1 to 63 printable characters");
    EXPECT_EQ(ask(client, hold(std::string(64, 'a'), {"x", "y"}), two),
              "a sandbox's name is 1 to 63 printable characters");
    EXPECT_EQ(ask(client, hold("a", {"x", "a b"}), two),
              "a role's name is 1 to 63 printable characters");
    for (const char* bytes : {"\xff\xff", "\xf8\x07\x01"}) {
        ASSERT_TRUE(send_packet(client.get(), bytes, two));
        turn();
        EXPECT_TRUE(receive_packet(client.get()));
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(keeper->sandboxes(), 0U);
}

TEST_F(KeeperTest, same_role_twice_in_a_packet_keeps_the_last) {
    const OwnFd client = connect();
    const OwnFd one = sys::memfd("one", 1).value();
    const OwnFd two = sys::memfd("two", 2).value();
    const std::array<int, 2> both = {one.get(), two.get()};
    EXPECT_EQ(ask(client, hold("a", {"pidfd", "pidfd"}), both), "done");
    EXPECT_EQ(ask(client, take("a")), "pidfd");
    EXPECT_EQ(sys::file_size(taken.at(0).get(), "role").value(), 2U);
}

TEST_F(KeeperTest, descriptors_of_a_sandbox_are_bounded) {
    const OwnFd client = connect();
    const OwnFd file = sys::memfd("file", 1).value();
    const std::vector<int> fds(kMaxPacketFds, file.get());
    std::vector<std::string> roles;
    for (size_t i = 0; i < fds.size(); ++i) {
        roles.push_back("role" + std::to_string(i));
    }
    EXPECT_EQ(ask(client, hold("a", roles), fds), "done");
    const int fd = file.get();
    EXPECT_EQ(ask(client, hold("a", {"more"}), {&fd, 1}), "a sandbox has at most 32 descriptors");
    EXPECT_EQ(ask(client, hold("a", {"role0"}), {&fd, 1}), "done");
}

TEST_F(KeeperTest, long_list_comes_in_parts) {
    const OwnFd client = connect();
    const OwnFd file = sys::memfd("file", 1).value();
    const int fd = file.get();
    for (int i = 100; i < 200; ++i) {
        ASSERT_EQ(ask(client, hold(std::string(50, 'n') + std::to_string(i), {"disk"}), {&fd, 1}),
                  "done");
    }
    const std::string first = ask(client, list());
    EXPECT_TRUE(first.ends_with(" …"));
    const std::string last = first.substr(first.rfind('n') - 49, 53);
    EXPECT_TRUE(ask(client, list(last)).ends_with("199"));
}

TEST_F(KeeperTest, clients_are_bounded) {
    std::vector<OwnFd> clients;
    for (size_t i = 0; i < Keeper::kMaxClients; ++i) {
        clients.push_back(connect());
    }
    const OwnFd one_too_many = connect();
    EXPECT_EQ(keeper->clients(), Keeper::kMaxClients);
    const auto packet = receive_packet(one_too_many.get());
    EXPECT_TRUE(!packet || (*packet)->bytes.empty());
}

TEST_F(KeeperTest, client_that_reads_no_answers_is_left) {
    const OwnFd client = connect();
    ASSERT_TRUE(sys::set_nonblocking(client.get()));
    while (keeper->clients() > 0) {
        [[maybe_unused]] const Status sent =
            send_packet(client.get(), list().SerializeAsString() + std::string());
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }
}

TEST_F(KeeperTest, empty_one_ends_only_while_nobody_is_connected) {
    OwnFd client = connect();
    clock.advance(1h);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(idle, 0);
    client.reset();
    turn();
    clock.advance(3s);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(idle, 1);
}

TEST_F(KeeperTest, patience_ends_only_while_nobody_is_connected) {
    start(60s);
    OwnFd client = connect();
    const OwnFd file = sys::memfd("file", 1).value();
    const int fd = file.get();
    EXPECT_EQ(ask(client, hold("a", {"disk"}), {&fd, 1}), "done");
    client.reset();
    turn();
    clock.advance(59s);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(idle, 0);
    client = connect();
    clock.advance(59s);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(idle, 0);
    client.reset();
    turn();
    clock.advance(61s);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(idle, 1);
}

}  // namespace
}  // namespace anchorhold::keeper
