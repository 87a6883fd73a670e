// Our own signals, sent by ourselves: what becomes the command's and what stops us.
#include "cli/foreground.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/sys.h"
#include "proto/frame.h"
#include "pseudo_terminal.h"

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;

class ForegroundTest : public testing::Test {
  protected:
    void create(bool terminal = false) {
        Foreground::Options options;
        options.terminal = terminal;
        options.on_insist = [this] { ++insisted; };
        foreground = Foreground::create(*loop, std::move(options)).value();
    }

    // A client whose other side is read here.
    void attach() {
        auto [ours, theirs] = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK).value();
        server = std::move(theirs);
        proto::ExecStart start;
        start.add_argv("x");
        start.set_no_stdin(true);
        client = std::make_unique<exec::ExecClient>(*loop, std::move(ours), start, exec::Stdio{},
                                                    [](const exec::Outcome&) {});
        foreground->attach(client.get());
    }

    void raise_and_turn(int number) {
        ASSERT_EQ(::kill(::getpid(), number), 0);
        turn();
    }
    void turn() { ASSERT_TRUE(loop->run_once(Duration::zero())); }

    // What the other side has been told since it was last asked: "signal 2", "resize 50x132".
    std::vector<std::string> told() {
        turn();
        std::array<std::byte, 4096> buffer{};
        for (;;) {
            const auto count = sys::read_some(server.get(), buffer);
            if (!count || count->value_or(0) == 0) {
                break;
            }
            frames.feed(std::span(buffer).first(**count));
        }
        std::vector<std::string> words;
        while (const auto bytes = frames.next().value()) {
            const auto frame = proto::parse<proto::ExecClientFrame>(*bytes, "frame").value();
            if (frame.has_signal()) {
                words.push_back("signal " + std::to_string(frame.signal().number()));
            } else if (frame.has_resize()) {
                words.push_back("resize " + std::to_string(frame.resize().rows()) + "x" +
                                std::to_string(frame.resize().columns()));
            }
        }
        return words;
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    int insisted = 0;
    OwnFd server;
    proto::FrameReader frames{proto::kMaxExecClientFrame};
    std::unique_ptr<Foreground> foreground;
    std::unique_ptr<exec::ExecClient> client;
};

TEST_F(ForegroundTest, signals_become_the_commands) {
    create();
    attach();
    for (const int number : {SIGUSR1, SIGUSR2, SIGQUIT, SIGTERM}) {
        raise_and_turn(number);
        EXPECT_EQ(told(), std::vector<std::string>{"signal " + std::to_string(number)});
    }
    EXPECT_EQ(foreground->stop_signal(), SIGTERM);
    EXPECT_EQ(insisted, 0);
    foreground->detach();
}

TEST_F(ForegroundTest, second_request_to_stop_insists_instead) {
    create();
    attach();
    raise_and_turn(SIGINT);
    EXPECT_EQ(foreground->stop_signal(), SIGINT);
    EXPECT_EQ(told(), std::vector<std::string>{"signal 2"});
    raise_and_turn(SIGTERM);
    EXPECT_EQ(insisted, 1);
    EXPECT_EQ(foreground->stop_signal(), SIGINT);
    EXPECT_TRUE(told().empty());
    foreground->detach();
}

TEST_F(ForegroundTest, request_to_stop_before_the_command_runs_is_delivered_when_it_does) {
    create();
    raise_and_turn(SIGINT);
    attach();
    EXPECT_EQ(told(), std::vector<std::string>{"signal 2"});
    foreground->detach();
}

TEST_F(ForegroundTest, signal_after_detach_reaches_nobody) {
    create();
    attach();
    foreground->detach();
    client.reset();
    raise_and_turn(SIGUSR1);
    EXPECT_EQ(foreground->stop_signal(), 0);
}

TEST_F(ForegroundTest, window_change_is_a_resize_only_with_a_terminal) {
    create();
    attach();
    raise_and_turn(SIGWINCH);
    EXPECT_TRUE(told().empty());
    foreground->detach();
}

TEST_F(ForegroundTest, terminal_is_raw_resized_and_restored) {
    const PseudoTerminal terminal;
    const termios found = terminal.settings();
    const OwnFd kept = sys::dup_cloexec(0).value();
    ASSERT_GE(::dup2(terminal.program.get(), 0), 0);
    create(true);
    attach();
    EXPECT_TRUE(terminal.is_raw());
    const winsize window{50, 132, 0, 0};
    ASSERT_EQ(::ioctl(terminal.user.get(), TIOCSWINSZ, &window), 0);
    raise_and_turn(SIGWINCH);
    EXPECT_EQ(told(), std::vector<std::string>{"resize 50x132"});
    ASSERT_EQ(::tcsetattr(0, TCSANOW, &found), 0);  // a shell had it while we were stopped
    raise_and_turn(SIGCONT);
    EXPECT_TRUE(terminal.is_raw());
    foreground->detach();
    foreground.reset();
    EXPECT_TRUE(same(terminal.settings(), found));
    ASSERT_GE(::dup2(kept.get(), 0), 0);
}

TEST_F(ForegroundTest, terminal_that_is_none_is_an_error) {
    const OwnFd kept = sys::dup_cloexec(0).value();
    const OwnFd nothing = sys::open("/dev/null", O_RDONLY).value();
    ASSERT_GE(::dup2(nothing.get(), 0), 0);
    Foreground::Options options;
    options.terminal = true;
    const auto refused = Foreground::create(*loop, std::move(options));
    ASSERT_GE(::dup2(kept.get(), 0), 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "tcgetattr standard input: Inappropriate ioctl for device");
}

}  // namespace
}  // namespace anchorhold::cli
