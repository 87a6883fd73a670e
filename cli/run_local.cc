// starting -> running -> ending: the sandbox is destroyed as soon as the command's last byte was
// written.
#include "cli/run_local.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "cli/exec_start.h"
#include "cli/exit_status.h"
#include "cli/foreground.h"
#include "cli/progress.h"
#include "cli/run_report.h"
#include "cli/run_window.h"
#include "exec/client.h"
#include "supervisor/audit/digest_beside.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/sandbox.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTimeoutGrace = 1s;  // from SIGTERM at the time limit to the end of the VM
constexpr Duration kLastWords = 2s;     // how long a lost stream waits for the VMM to say why

class LocalRun {
  public:
    LocalRun(EventLoop& loop, const supervisor::Installation& installation, RunOptions options)
        : loop_(loop), installation_(installation), options_(std::move(options)) {}

    int run() {
        const Status begun = begin();
        if (!begun) {
            finish_with_error(begun.error().message);
        }
        while (!done_) {
            if (const Status turned = loop_.run_once(Duration::max()); !turned) {
                finish_with_error(turned.error().message);
                break;
            }
        }
        if (foreground_) {
            foreground_->detach();
        }
        client_.reset();
        foreground_.reset();  // the terminal is itself again before anything is printed
        report_.print(options_.json, sandbox_ ? &sandbox_->timeline() : nullptr);
        return report_.status;
    }

  private:
    Status begin() {
        Foreground::Options foreground;
        foreground.terminal = options_.terminal;
        foreground.on_insist = [this] { insist(); };
        foreground_ = ANCHORHOLD_TRY(Foreground::create(loop_, std::move(foreground)));
        if (!options_.quiet) {
            progress_ = std::make_unique<Progress>(loop_, "starting the sandbox");
        }
        if (!options_.from.empty()) {
            const supervisor::TemplateStore store(
                ANCHORHOLD_TRY(supervisor::default_template_folder()));
            template_ =
                ANCHORHOLD_TRY(store.open(options_.from, supervisor::default_digest_cache()));
            options_.sandbox.image = template_->manifest.image;  // for the record
        }
        supervisor::SandboxParts parts;
        if (!options_.policies.empty()) {
            window_ = ANCHORHOLD_TRY(
                RunWindow::open(loop_, installation_, options_, [this](const std::string& why) {
                    finish_with_error("the window is shut: " + why);
                }));
            parts = window_->parts();
        }
        supervisor::Sandbox::Handlers handlers{
            [this] { start_command(); }, [this](const std::string& error) { sandbox_ended(error); },
            [](std::string_view bytes) {
                const std::string text = console_text(bytes);
                std::fwrite(text.data(), 1, text.size(), stderr);
            }};
        if (template_) {
            return restore(std::move(parts), std::move(handlers));
        }
        ANCHORHOLD_TRY(supervisor::check_digests_beside(installation_.boot_files(options_.sandbox),
                                                        supervisor::default_digest_cache()));
        sandbox_ = ANCHORHOLD_TRY(supervisor::Sandbox::start(
            loop_, installation_, options_.sandbox, std::move(parts), std::move(handlers)));
        return {};
    }

    Status restore(supervisor::SandboxParts parts, supervisor::Sandbox::Handlers handlers) {
        supervisor::GuestIdentity identity = ANCHORHOLD_TRY(supervisor::fresh_identity(""));
        // Where a window's programs find their placeholders; the rest of a set-up is in the
        // template.
        if (parts.set_up) {
            for (const std::string& variable : parts.set_up->set_up().environment()) {
                environment_.push_back(variable);
            }
        }
        sandbox_ = ANCHORHOLD_TRY(
            supervisor::Sandbox::restore(loop_, installation_,
                                         {.start = supervisor::RestoreRequest::Start::kRun,
                                          .files = template_->files,
                                          .identity = std::move(identity),
                                          .shell = nullptr,
                                          .memory = options_.memory_backend},
                                         std::move(parts), std::move(handlers)));
        report_.memory_backend = supervisor::to_text(sandbox_->memory_backend());
        return {};
    }

    void start_command() {
        progress_.reset();
        auto stream = sandbox_->open_exec_stream();
        if (!stream) {
            finish_with_error(stream.error().message);
            return;
        }
        const proto::ExecStart start = exec_start(options_, environment_);
        if (const Status written = window_ ? window_->command_begins(start) : Status(); !written) {
            finish_with_error("the audit log: " + written.error().message);
            return;
        }
        exec::ClientHooks hooks;
        hooks.started = [this](const proto::ExecStarted& started) {
            sandbox_->note_exec(started.tsc_exec());
        };
        hooks.first_byte = [this] { sandbox_->note_first_byte(); };
        client_ = std::make_unique<exec::ExecClient>(
            loop_, std::move(*stream), start, stdio_for(options_),
            [this](const exec::Outcome& outcome) { command_ended(outcome); }, std::move(hooks));
        foreground_->attach(client_.get());
        if (options_.timeout) {
            limit_ = loop_.add_timer(*options_.timeout, [this] { time_is_up(); });
        }
    }

    void time_is_up() {
        timed_out_ = true;
        client_->signal(SIGTERM);
        limit_ = loop_.add_timer(kTimeoutGrace, [this] { finish(kExitTimedOut, timeout_text()); });
    }

    void command_ended(const exec::Outcome& outcome) {
        loop_.cancel_timer(limit_);
        foreground_->detach();
        if (const Status written = window_ ? window_->command_ended(outcome) : Status(); !written) {
            finish_with_error("the audit log: " + written.error().message);
            return;
        }
        if (const auto* lost = std::get_if<exec::Lost>(&outcome)) {
            // The stream broke; the VMM usually says why in a moment.
            lost_ = "the command's stream was lost: " + log::escaped(lost->message);
            limit_ = loop_.add_timer(kLastWords, [this] { finish_with_error(lost_); });
            return;
        }
        if (timed_out_) {
            finish(kExitTimedOut, timeout_text());
            return;
        }
        if (const auto* refused = std::get_if<exec::Refused>(&outcome)) {
            finish(exit_status(outcome), log::escaped(refused->message));
            return;
        }
        report_.take(std::get<exec::Exited>(outcome));
        finish(exit_status(outcome),
               report_.out_of_memory
                   ? "the command was killed: the sandbox is out of memory (--memory)"
                   : "");
    }

    void sandbox_ended(const std::string& error) {
        sandbox_gone_ = true;
        if (!finishing_) {
            finish_with_error(error.empty() ? lost_ : error);
        }
        close_window();
    }

    void insist() {
        finish(kExitSignalBase + foreground_->stop_signal(), "interrupted: the sandbox was killed");
    }

    [[nodiscard]] std::string timeout_text() const {
        return fmt::format("the command took longer than its --timeout and was ended");
    }

    void finish_with_error(std::string error) { finish(kExitFailed, std::move(error)); }

    // The first outcome counts. The loop goes on until the VMM is gone.
    void finish(int status, std::string error) {
        if (finishing_) {
            return;
        }
        finishing_ = true;
        progress_.reset();
        loop_.cancel_timer(limit_);
        report_.status = status;
        report_.error = std::move(error);
        if (sandbox_ && !sandbox_gone_) {
            sandbox_->destroy();
        } else {
            close_window();
        }
    }

    // The last thing: the window's record ends after the guest's last stream did.
    void close_window() {
        if (window_) {
            window_->finish(report_.status, report_.error, [this] { done_ = true; });
        } else {
            done_ = true;
        }
    }

    EventLoop& loop_;
    const supervisor::Installation& installation_;
    RunOptions options_;
    std::optional<supervisor::OpenTemplate> template_;
    std::unique_ptr<Foreground> foreground_;
    std::unique_ptr<Progress> progress_;
    std::unique_ptr<RunWindow> window_;  // outlives the sandbox
    std::unique_ptr<supervisor::Sandbox> sandbox_;
    std::unique_ptr<exec::ExecClient> client_;
    EventLoop::TimerId limit_ = 0;
    RunReport report_;
    std::vector<std::string> environment_;  // below the options' own
    std::string lost_;
    bool timed_out_ = false;
    bool finishing_ = false;
    bool sandbox_gone_ = false;
    bool done_ = false;
};

}  // namespace

int run_local(const supervisor::Installation& installation, const RunOptions& options) {
    const auto loop = EventLoop::create();
    if (!loop) {
        print_error(loop.error().message);
        return kExitFailed;
    }
    return LocalRun(**loop, installation, options).run();
}

}  // namespace anchorhold::cli
