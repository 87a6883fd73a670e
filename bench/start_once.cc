// booting -> running the command -> idle -> measuring memory -> ending.
#include "bench/start_once.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "exec/client.h"

namespace anchorhold::bench {
namespace {

using namespace std::chrono_literals;

// From the end of the command until the VMM counts as idle: ours drops its start-up code a quarter
// of a second after the start.
constexpr Duration kUntilIdle = 300ms;

class OneStart {
  public:
    OneStart(EventLoop& loop, Variant& variant, const proto::ExecStart& command, Duration patience)
        : loop_(loop), variant_(variant), command_(command), patience_(patience) {}
    ~OneStart() {
        loop_.cancel_timer(deadline_);
        loop_.cancel_timer(idle_);
    }
    OneStart(const OneStart&) = delete;
    OneStart& operator=(const OneStart&) = delete;

    Result<Start> run() {
        before_ = read_counters("/", variant_.vmm_pid());
        ANCHORHOLD_TRY(variant_.start(
            {[this] { run_command(); }, [this](const std::string& error) { ended(error); }}));
        deadline_ = loop_.add_timer(patience_, [this] {
            late_ = true;
            end_with(fmt::format("it took longer than {} ms", patience_ / 1ms));
        });
        while (!gone_) {
            ANCHORHOLD_TRY(loop_.run_once(Duration::max()));
        }
        if (error_) {
            return fail(fmt::format("{}: {}", variant_.description().name, *error_),
                        late_ ? ETIMEDOUT : 0);
        }
        return start_;
    }

  private:
    void run_command() {
        auto stream = variant_.open_exec_stream();
        if (!stream) {
            end_with(stream.error().message);
            return;
        }
        exec::ClientHooks hooks;
        hooks.started = [this](const proto::ExecStarted& started) {
            variant_.note_exec(started.tsc_exec());
        };
        hooks.first_byte = [this] {
            variant_.note_first_byte();
            start_.counters = since(before_, read_counters("/", variant_.vmm_pid()));
            answered_ = true;
        };
        client_ = std::make_unique<exec::ExecClient>(
            loop_, std::move(*stream), command_, exec::Stdio{},
            [this](const exec::Outcome& outcome) { command_ended(outcome); }, std::move(hooks));
    }

    void command_ended(const exec::Outcome& outcome) {
        loop_.cancel_timer(std::exchange(deadline_, 0));
        if (const auto* lost = std::get_if<exec::Lost>(&outcome)) {
            end_with("the command's stream was lost: " + log::escaped(lost->message));
        } else if (const auto* refused = std::get_if<exec::Refused>(&outcome)) {
            end_with(log::escaped(refused->message));
        } else if (!answered_) {
            end_with("the command printed nothing, so there is no first byte to wait for");
        } else {
            start_.times = cut(variant_.timeline());
            idle_ = loop_.add_timer(kUntilIdle, [this] { measure_memory(); });
        }
    }

    void measure_memory() {
        const auto bytes = private_bytes_of(variant_.vmm_pid(), variant_.guest_mappings());
        if (!bytes) {
            end_with(bytes.error().message);
            return;
        }
        start_.vmm_private_bytes = *bytes;
        client_.reset();
        variant_.destroy();
    }

    void ended(const std::string& error) {
        gone_ = true;
        if (!error.empty() && !error_) {
            error_ = error;
        }
    }

    // The first reason counts. Run goes on until the VMM is gone.
    void end_with(std::string error) {
        if (!error_) {
            error_ = std::move(error);
        }
        client_.reset();
        variant_.destroy();
    }

    EventLoop& loop_;
    Variant& variant_;
    const proto::ExecStart& command_;
    Duration patience_;
    std::unique_ptr<exec::ExecClient> client_;
    EventLoop::TimerId deadline_ = 0;
    EventLoop::TimerId idle_ = 0;
    Start start_;
    Counters before_;
    std::optional<std::string> error_;
    bool answered_ = false;
    bool late_ = false;
    bool gone_ = false;
};

}  // namespace

Result<Start> start_once(EventLoop& loop, Variant& variant, const proto::ExecStart& command,
                         Duration patience) {
    return OneStart(loop, variant, command, patience).run();
}

}  // namespace anchorhold::bench
