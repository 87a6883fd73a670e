// A server and a client on one event loop, joined by a socket pair, with pipes as the client's
// stdio.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/sys.h"
#include "exec/client.h"
#include "exec/plain_launcher.h"
#include "exec/server.h"

namespace anchorhold::exec::test {

// Runs the loop until `done`, or fails the test after ten seconds.
template <typename Condition>
void run_until(EventLoop& loop, Condition done) {
    const TimePoint deadline = loop.clock().now() + std::chrono::seconds(10);
    while (!done()) {
        ASSERT_LT(loop.clock().now(), deadline) << "nothing more happens";
        ASSERT_TRUE(loop.run_once(std::chrono::milliseconds(50)));
    }
}

inline proto::ExecStart start_of(const std::vector<std::string>& argv) {
    proto::ExecStart start;
    for (const std::string& argument : argv) {
        start.add_argv(argument);
    }
    return start;
}

inline proto::ExecStart shell(const std::string& script) {
    return start_of({"/bin/sh", "-c", script});
}

// One run through ExecClient. Output is collected from pipes while the loop runs.
class RemoteRun {
  public:
    RemoteRun(EventLoop& loop, ExecServer& server, const proto::ExecStart& start,
              std::string input = {})
        : loop_(loop), input_(std::move(input)) {
        auto pair = sys::socket_pair(SOCK_STREAM).value();
        server.serve(std::move(pair.second));
        collect(out_pipe_, out);
        collect(err_pipe_, err);
        sys::Pipe in = sys::pipe().value();
        client = std::make_unique<ExecClient>(
            loop_, std::move(pair.first), start,
            Stdio{in.read_end.get(), out_pipe_.write_end.get(), err_pipe_.write_end.get()},
            [this](const Outcome& ended) { outcome = ended; },
            ClientHooks{.started = [this](const proto::ExecStarted& told) { started = told; },
                        .first_byte = [this] { ++first_bytes; }});
        in_read_ = std::move(in.read_end);
        in_write_ = std::move(in.write_end);
        EXPECT_TRUE(sys::set_nonblocking(in_write_.get()));
        if (!input_.empty()) {
            EXPECT_TRUE(loop_.add(in_write_.get(), EPOLLOUT, [this](uint32_t) { feed(); }));
        }
    }
    ~RemoteRun() {
        loop_.remove(in_write_.get());
        loop_.remove(out_pipe_.read_end.get());
        loop_.remove(err_pipe_.read_end.get());
    }

    void type(std::string_view text) { ASSERT_TRUE(sys::write_all(in_write_.get(), text)); }
    void end_input() { in_write_.reset(); }

    // Runs to the outcome and takes what is left in the output pipes.
    void finish() {
        run_until(loop_, [this] { return outcome.has_value(); });
        drain(out_pipe_, out);
        drain(err_pipe_, err);
    }

    void close_stdout_reader() {
        loop_.remove(out_pipe_.read_end.get());
        out_pipe_.read_end.reset();
    }

    std::string out;
    std::string err;
    std::optional<Outcome> outcome;
    std::optional<proto::ExecStarted> started;
    int first_bytes = 0;
    std::unique_ptr<ExecClient> client;

  private:
    void feed() {
        const auto wrote = sys::write_some(in_write_.get(), std::as_bytes(std::span(input_)));
        if (wrote && wrote->has_value()) {
            input_.erase(0, **wrote);
        }
        if (!wrote || input_.empty()) {
            loop_.remove(in_write_.get());
            in_write_.reset();
        }
    }
    void collect(sys::Pipe& pipe, std::string& into) {
        pipe = sys::pipe().value();
        ASSERT_TRUE(sys::set_nonblocking(pipe.read_end.get()));
        ASSERT_TRUE(loop_.add(pipe.read_end.get(), EPOLLIN,
                              [&pipe, &into](uint32_t) { drain(pipe, into); }));
    }
    static void drain(sys::Pipe& pipe, std::string& into) {
        std::vector<std::byte> chunk(65536);
        while (pipe.read_end.valid()) {
            const auto got = sys::read_some(pipe.read_end.get(), chunk);
            if (!got || !got->has_value() || **got == 0) {
                return;
            }
            into.append(reinterpret_cast<const char*>(chunk.data()), **got);
        }
    }

    EventLoop& loop_;
    std::string input_;
    sys::Pipe out_pipe_;
    sys::Pipe err_pipe_;
    OwnFd in_read_;
    OwnFd in_write_;
};

class ExecTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { ::signal(SIGPIPE, SIG_IGN); }

    const Exited* exited(const RemoteRun& run) { return std::get_if<Exited>(&*run.outcome); }
    const Refused* refused(const RemoteRun& run) { return std::get_if<Refused>(&*run.outcome); }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    PlainLauncher launcher;
    ExecServer server{*loop, launcher, {.hang_up_grace = std::chrono::milliseconds(50)}};
};

}  // namespace anchorhold::exec::test
