// Opens what a window needs, in order; prints what a person should see.
#include "cli/run_window.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cstdio>

#include "base/sys.h"
#include "cli/command_record.h"
#include "cli/run_report.h"
#include "policy/learn.h"
#include "proto/ports.h"
#include "supervisor/window/sandbox_events.h"

namespace anchorhold::cli {
namespace {

constexpr uint64_t kCommand = 1;  // a run has one

// "run-6f1d20c3a9"
std::string sandbox_name() {
    unsigned char bytes[5] = {};
    [[maybe_unused]] const ssize_t got = ::getrandom(bytes, sizeof bytes, 0);
    std::string name = "run-";
    for (const unsigned char byte : bytes) {
        name += fmt::format("{:02x}", byte);
    }
    return name;
}

}  // namespace

RunWindow::RunWindow(EventLoop& loop, const RunOptions& options)
    : loop_(loop),
      options_(options),
      questions_(loop,
                 options.interactive ? Questions::Terminal::taken : Questions::Terminal::free) {}

RunWindow::~RunWindow() = default;

Result<std::unique_ptr<RunWindow>> RunWindow::open(
    EventLoop& loop, const supervisor::Installation& installation, const RunOptions& options,
    std::function<void(const std::string& why)> on_failure) {
    std::unique_ptr<RunWindow> run(new RunWindow(loop, options));
    RunWindow* self = run.get();
    run->policy_ = ANCHORHOLD_TRY(read_run_policy(options.policies));
    run->sandbox_ = sandbox_name();

    const std::string folder = ANCHORHOLD_TRY(supervisor::default_audit_folder());
    run->keys_ = ANCHORHOLD_TRY(supervisor::AuditKeys::open_or_create(folder));
    supervisor::AuditContext context;
    context.sandbox = run->sandbox_;
    context.principal = supervisor::current_principal();
    context.policy = run->policy_.digest;
    supervisor::AuditLog::Options log_options;
    log_options.folder = folder;
    log_options.sync = options.audit_sync ? supervisor::AuditLog::Sync::each_batch
                                          : supervisor::AuditLog::Sync::grouped;
    run->log_ =
        ANCHORHOLD_TRY(supervisor::AuditLog::open(*run->keys_, std::move(context), log_options));

    run->host_ = ANCHORHOLD_TRY(supervisor::WindowHost::start(
        loop, installation, run->policy_.network.dialer,
        [self](const std::string& process, const std::string& how) {
            if (self->finished_ || !self->window_) {
                return;
            }
            proto::AuditEvent event;
            event.mutable_proxy()->set_process(process);
            event.mutable_proxy()->set_change("died: " + how);
            [[maybe_unused]] const Status written = self->window_->record(std::move(event));
            if (process == "dialer") {
                self->window_->dialer_replaced();
            }
        }));
    supervisor::WindowSpec spec;
    spec.sandbox = run->sandbox_;
    spec.policy = run->policy_.policy;
    spec.secrets = std::move(run->policy_.secrets.store);
    spec.upstream_roots = run->policy_.network.upstream_roots;
    run->window_ = ANCHORHOLD_TRY(supervisor::Window::open(
        loop, *run->host_, *run->log_, std::move(spec),
        {.on_event = [self](const proto::AuditEvent& event) { self->note(event); },
         .on_question =
             [self](const proto::Question& question) {
                 self->questions_.ask(question, [self, id = question.id()](bool allowed) {
                     self->window_->answer(id, allowed);
                 });
             },
         .on_failure = std::move(on_failure)}));

    ANCHORHOLD_TRY(run->record_start(installation));
    return run;
}

Status RunWindow::record_start(const supervisor::Installation& installation) {
    auto event = ANCHORHOLD_TRY(supervisor::sandbox_started(
        installation,
        {options_.sandbox.image, options_.sandbox.kernel, policy_.digest, options_.command},
        policy_.policy));
    return window_->record(std::move(event));
}

Status RunWindow::command_begins(const proto::ExecStart& start) {
    command_began_ = loop_.clock().now();
    return window_->record(command_executed(kCommand, start));
}

Status RunWindow::command_ended(const exec::Outcome& outcome) {
    if (!command_began_) {
        return {};
    }
    const Duration duration = loop_.clock().now() - *command_began_;
    command_began_.reset();
    return window_->record(cli::command_ended(kCommand, outcome, duration));
}

supervisor::SandboxParts RunWindow::parts() {
    supervisor::SandboxParts parts;
    parts.channels.push_back({proto::kEgressPort, window_->take_egress_channel()});
    parts.channels.push_back({proto::kNoticePort, window_->take_notice_channel()});
    parts.set_up = supervisor::guest_set_up(host_->authority(), policy_.secrets.environment);
    return parts;
}

void RunWindow::note(const proto::AuditEvent& event) {
    const std::string line = notes_.note(event);
    if (!line.empty() && !options_.quiet) {
        std::fputs(fmt::format("anchorhold: {}\r\n", line).c_str(), stderr);
    }
}

void RunWindow::finish(int status, const std::string& reason, std::function<void()> done) {
    if (std::exchange(finished_, true)) {
        return;
    }
    window_->drain([this, status, reason, after = std::move(done)] {
        close(status, reason);
        after();
    });
}

void RunWindow::close(int status, const std::string& reason) {
    Status written = command_ended(exec::Lost{"the sandbox ended first"});
    proto::AuditEvent ended;
    ended.mutable_ended()->set_status(status);
    ended.mutable_ended()->set_reason(reason);
    if (written) {
        written = window_->record(std::move(ended));
    }
    window_->close();
    if (written) {
        written = log_->close();
    }
    if (!written) {
        print_error("the audit log: " + written.error().message);
    }
    report_end();
}

void RunWindow::report_end() const {
    if (const std::string summary = notes_.summary(sandbox_); !summary.empty() && !options_.quiet) {
        print_error(summary);
    }
    if (!options_.learn.empty()) {
        const Status written =
            sys::write_file(options_.learn, policy::learn_policy(sandbox_, notes_.denied()));
        print_error(written ? fmt::format("--learn: {} holds a draft of what would have been "
                                          "needed; read it before you use it",
                                          options_.learn)
                            : "--learn: " + written.error().message);
    }
}

}  // namespace anchorhold::cli
