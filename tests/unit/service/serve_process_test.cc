// The service as a process: killed and started again around VMMs that go on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "base/seqpacket.h"
#include "base/spawn.h"
#include "base/stream_rights.h"
#include "base/sys.h"
#include "base/unix_socket.h"
#include "erofs_image.h"
#include "proto/keeper.pb.h"
#include "supervisor/service/http_codec.h"
#include "temporary_folder.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

struct Answer {
    int status = 0;
    nlohmann::json body;
    OwnFd descriptor;
    OwnFd connection;
};

class ServeProcessTest : public testing::Test {
  protected:
    ServeProcessTest() {
        std::string elf =
            "\x7f"
            "ELF";
        elf.resize(64);
        folder.write("kvm", "");
        folder.write("vmlinux", elf);
        folder.write("images/tiny.erofs", supervisor::erofs_image());
        folder.write("init.cpio", "started\nstream\nready\nserve\n");
    }
    ~ServeProcessTest() override {
        kill();
        // A keeper that holds nothing ends by itself, and every VMM with its control socket.
        if (const auto keeper = connect_unix(socket() + ".keeper", SOCK_SEQPACKET)) {
            for (const auto& entry :
                 std::filesystem::directory_iterator(folder.path() + "/state/sandboxes")) {
                proto::KeeperRequest request;
                request.mutable_drop()->set_sandbox(entry.path().filename());
                EXPECT_TRUE(send_packet(keeper->get(), request.SerializeAsString()));
                EXPECT_TRUE(receive_packet(keeper->get()));
            }
        }
        EXPECT_TRUE(wait_for_vmms(0));
    }

    [[nodiscard]] std::string socket() const { return folder.path() + "/run/socket"; }

    void start(const char* on_exit = "keep") {
        const OwnFd nothing = sys::open("/dev/null", O_RDWR).value();
        SpawnRequest request;
        request.path = SERVE_MAIN;
        request.arguments = {"serve", folder.path(), on_exit};
        request.descriptors = {{nothing.get(), 0}, {nothing.get(), 1}, {2, 2}};
        auto spawned = spawn(request);
        ASSERT_TRUE(spawned) << spawned.error().message;
        serve = std::move(*spawned);
    }
    void kill(int signal = SIGKILL) {
        if (serve.running()) {
            ASSERT_TRUE(serve.signal(signal));
            ASSERT_TRUE(serve.wait());
        }
    }

    // Waits until the service takes a connection.
    std::optional<OwnFd> connect() {
        for (int i = 0; i < 3000; ++i) {
            if (auto connected = connect_unix(socket(), SOCK_STREAM)) {
                return std::move(*connected);
            }
            std::this_thread::sleep_for(10ms);
        }
        return std::nullopt;
    }
    // Nothing where the service ended before it answered.
    std::optional<Answer> ask(const std::string& method, const std::string& target,
                              const std::string& body = "") {
        auto connection = connect();
        if (!connection || !sys::write_all(connection->get(), request_text(method, target, body))) {
            return std::nullopt;
        }
        AnswerReader reader;
        Answer answer;
        for (;;) {
            std::array<std::byte, 4096> buffer;
            auto got = receive_with_fds(connection->get(), buffer);
            if (!got || !*got || (*got)->count == 0) {
                return std::nullopt;
            }
            if (!(*got)->fds.empty()) {
                answer.descriptor = std::move((*got)->fds.front());
            }
            auto whole = reader.feed({reinterpret_cast<const char*>(buffer.data()), (*got)->count});
            if (!whole) {
                return std::nullopt;
            }
            if (*whole) {
                answer.status = (*whole)->status;
                answer.body = nlohmann::json::parse((*whole)->body, nullptr, false);
                answer.connection = std::move(*connection);
                return answer;
            }
        }
    }
    // An adoption is under way for a moment.
    std::string settled_state(const std::string& name) {
        for (int i = 0; i < 3000; ++i) {
            const auto answer = ask("GET", "/v1/sandboxes/" + name);
            if (!answer || answer->status != 200) {
                return answer ? "none" : "gone";
            }
            if (!answer->body.contains("operation")) {
                return answer->body.value("state", "?");
            }
            std::this_thread::sleep_for(10ms);
        }
        return "busy";
    }
    // What the fake VMM says on the command's stream.
    std::string exec(const std::string& name) {
        const auto answer = ask("POST", "/v1/sandboxes/" + name + "/exec");
        if (!answer || answer->status != 101) {
            return answer ? answer->body.value("detail", "?") : "gone";
        }
        char text[32] = {};
        pollfd waits{answer->descriptor.get(), POLLIN, 0};
        return ::poll(&waits, 1, 30'000) == 1 &&
                       ::read(answer->descriptor.get(), text, sizeof text - 1) > 0
                   ? text
                   : "silent";
    }
    void create(const std::string& name) {
        const auto answer =
            ask("POST", "/v1/sandboxes",
                R"({"disk_bytes":0,"memory_bytes":67108864,"name":")" + name + "\"}");
        ASSERT_TRUE(answer);
        ASSERT_EQ(answer->status, 201) << answer->body;
    }
    pid_t vmm_of(const std::string& name) {
        return ask("GET", "/v1/sandboxes/" + name)->body.at("pid");
    }

    // Our VMMs have our script open.
    [[nodiscard]] std::vector<pid_t> vmm_processes() const {
        std::vector<pid_t> found;
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            const std::string text = entry.path().filename();
            if (text.find_first_not_of("0123456789") != std::string::npos ||
                std::stoi(text) == ::getpid()) {
                continue;
            }
            const std::string comm = sys::read_file(entry.path() / "comm").value_or("");
            if (comm.starts_with("unit_superviso") && holds_script(entry.path())) {
                found.push_back(std::stoi(text));
            }
        }
        return found;
    }
    [[nodiscard]] bool holds_script(const std::filesystem::path& process) const {
        // It may end at any step, which is no exception.
        std::error_code failed;
        std::filesystem::directory_iterator fd(process / "fd", failed);
        for (; !failed && fd != std::filesystem::directory_iterator(); fd.increment(failed)) {
            std::error_code closed;
            const auto target = std::filesystem::read_symlink(fd->path(), closed);
            if (!closed && target == folder.path() + "/init.cpio") {
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] size_t vmms() const { return vmm_processes().size(); }
    bool wait_for_vmms(size_t count) const {
        for (int i = 0; i < 3000 && vmms() != count; ++i) {
            std::this_thread::sleep_for(10ms);
        }
        return vmms() == count;
    }

    supervisor::TemporaryFolder folder;
    Child serve;
};

TEST_F(ServeProcessTest, sandbox_answers_after_its_supervisor_was_killed) {
    start();
    create("amber");
    EXPECT_EQ(exec("amber"), "port 1025");
    const pid_t vmm = vmm_of("amber");
    for (int life = 0; life < 3; ++life) {
        kill();
        EXPECT_EQ(vmms(), 1U) << "it died with its supervisor";
        start();
        EXPECT_EQ(settled_state("amber"), "running");
        EXPECT_EQ(vmm_of("amber"), vmm);
        EXPECT_EQ(exec("amber"), "port 1025");
    }
    EXPECT_EQ(ask("DELETE", "/v1/sandboxes/amber?force=true")->status, 200);
    EXPECT_TRUE(wait_for_vmms(0));
}

TEST_F(ServeProcessTest, sandbox_that_ends_while_nobody_is_there_is_stopped) {
    start();
    create("amber");
    const pid_t vmm = vmm_of("amber");
    kill();
    ASSERT_EQ(::kill(vmm, SIGKILL), 0);
    ASSERT_TRUE(wait_for_vmms(0));
    start();
    EXPECT_EQ(settled_state("amber"), "stopped");
    EXPECT_EQ(exec("amber").substr(0, 28), "sandbox 'amber' is stopped (");
    EXPECT_EQ(ask("POST", "/v1/sandboxes/amber/start")->status, 200);
    EXPECT_EQ(exec("amber"), "port 1025");
}

TEST_F(ServeProcessTest, orderly_end_keeps_or_stops_as_asked) {
    start("keep");
    create("amber");
    kill(SIGTERM);
    EXPECT_FALSE(std::filesystem::exists(socket()));
    EXPECT_EQ(vmms(), 1U);
    start("stop");
    EXPECT_EQ(settled_state("amber"), "running");
    kill(SIGTERM);
    EXPECT_TRUE(wait_for_vmms(0));
    start();
    EXPECT_EQ(settled_state("amber"), "stopped");
}

TEST_F(ServeProcessTest, second_one_on_the_same_state_is_refused) {
    start();
    ASSERT_TRUE(connect());
    const OwnFd nothing = sys::open("/dev/null", O_RDWR).value();
    SpawnRequest request;
    request.path = SERVE_MAIN;
    request.arguments = {"serve", folder.path(), "keep"};
    request.descriptors = {{nothing.get(), 0}, {nothing.get(), 1}, {nothing.get(), 2}};
    Child second = spawn(request).value();
    EXPECT_EQ(second.wait().value().code, 1);
    EXPECT_EQ(ask("GET", "/v1/version")->status, 200);
}

TEST_F(ServeProcessTest, run_ends_with_its_client_and_with_its_supervisor) {
    start();
    const std::string body = R"({"disk_bytes":0,"memory_bytes":67108864})";
    {
        const auto answer = ask("POST", "/v1/run", body);
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status, 101);
        EXPECT_EQ(vmms(), 1U);
    }
    EXPECT_TRUE(wait_for_vmms(0));
    const auto answer = ask("POST", "/v1/run", body);
    ASSERT_TRUE(answer);
    kill();
    EXPECT_TRUE(wait_for_vmms(0));
}

// Whatever point it is killed at: what was answered for is so, what was not is so or not at all,
// and no VMM is left that belongs to no sandbox.
TEST_F(ServeProcessTest, kill_at_any_point_loses_and_leaves_nothing) {
    std::mt19937 random(20260101);
    std::uniform_int_distribution<int> microseconds(0, 6'000);
    size_t running = 0;
    const auto cut_off = [&](const std::string& request) {
        const auto connection = connect();
        EXPECT_TRUE(connection);
        EXPECT_TRUE(sys::write_all(connection->get(), request));
        std::this_thread::sleep_for(std::chrono::microseconds(microseconds(random)));
        kill();
        std::array<std::byte, 4096> buffer;
        const auto got = sys::read_some(connection->get(), buffer);
        start();
        return got && *got && **got > 0;  // it was answered
    };
    start();
    for (int round = 0; round < 40; ++round) {
        const std::string name = "box" + std::to_string(round);
        const bool created = cut_off(
            request_text("POST", "/v1/sandboxes",
                         R"({"disk_bytes":0,"memory_bytes":67108864,"name":")" + name + "\"}"));
        std::string after = settled_state(name);
        if (after != "running") {
            EXPECT_EQ(after, "none") << round;
            EXPECT_FALSE(created) << round;
            EXPECT_FALSE(std::filesystem::exists(folder.path() + "/state/sandboxes/" + name));
            EXPECT_TRUE(wait_for_vmms(running)) << round;
            continue;
        }
        EXPECT_EQ(exec(name), "port 1025") << round;
        EXPECT_TRUE(wait_for_vmms(running + 1)) << round;
        const bool removed =
            cut_off(request_text("DELETE", "/v1/sandboxes/" + name + "?force=true", ""));
        after = settled_state(name);
        EXPECT_TRUE(after == "none" || (after == "running" && !removed)) << round << " " << after;
        running += after == "running" ? 1 : 0;
        EXPECT_TRUE(wait_for_vmms(running)) << round;
    }
}

}  // namespace
}  // namespace anchorhold::service
