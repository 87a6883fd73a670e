// Opens what a window needs, in order; prints what a person should see.
#include "cli/run_window.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstdio>

#include "base/log.h"
#include "base/sys.h"
#include "cli/run_report.h"
#include "proto/ports.h"

namespace anchorhold::cli {
namespace {

constexpr size_t kMaxLearned = 10'000;

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

policy::DeniedRequest denied_request(const proto::RequestDecided& decision) {
    policy::DeniedRequest request;
    request.protocol = decision.protocol() == "http"  ? proto::HTTP
                       : decision.protocol() == "tls" ? proto::TLS
                       : decision.protocol() == "tcp" ? proto::TCP
                                                      : proto::HTTPS;
    request.method = decision.method();
    request.host = decision.host();
    request.port = static_cast<uint16_t>(decision.port());
    request.target = decision.target();
    return request;
}

std::string principal() {
    const passwd* entry = ::getpwuid(::getuid());  // NOLINT(concurrency-mt-unsafe)
    return entry != nullptr ? entry->pw_name : std::to_string(::getuid());
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
    context.principal = principal();
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

    proto::AuditEvent started;
    started.mutable_started()->set_image(options.sandbox.image);
    started.mutable_started()->set_policy_digest(run->policy_.digest);
    for (const std::string& word : options.command) {
        started.mutable_started()->add_command(word.substr(0, 1024));
    }
    ANCHORHOLD_TRY(run->window_->record(std::move(started)));
    return run;
}

supervisor::SandboxParts RunWindow::parts() {
    supervisor::SandboxParts parts;
    parts.channels.push_back({proto::kEgressPort, window_->take_egress_channel()});
    parts.channels.push_back({proto::kNoticePort, window_->take_notice_channel()});
    proto::ControlRequest request;
    proto::SetUp& set_up = *request.mutable_set_up();
    set_up.set_ca_root_pem(host_->authority().root_pem());
    set_up.set_ca_subject_hash(host_->authority().root_subject_hash());
    for (const auto& [variable, placeholder] : policy_.secrets.environment) {
        set_up.add_environment(variable + "=" + placeholder);
    }
    parts.set_up = std::move(request);
    return parts;
}

void RunWindow::note(const proto::AuditEvent& event) {
    if (!event.has_decision()) {
        return;
    }
    const proto::RequestDecided& decision = event.decision();
    if (decision.verdict() != proto::RequestDecided::DENY &&
        decision.verdict() != proto::RequestDecided::ASKED_DENY) {
        return;
    }
    const uint64_t count =
        ++denials_[{decision.protocol(), decision.host(), decision.port(), decision.reason()}];
    if (denied_.size() < kMaxLearned) {
        denied_.push_back(denied_request(decision));
    }
    if (count == 1 && !options_.quiet) {
        std::fputs(fmt::format(
                       "anchorhold: denied {} {}://{}:{}{} ({}{}{})\r\n",
                       log::escaped(decision.method(), 20), decision.protocol(),
                       log::escaped(decision.host(), 253), decision.port(),
                       log::escaped(decision.target(), 100), decision.reason(),
                       decision.rule().empty() ? "" : " by " + decision.rule(),
                       decision.detail().empty() ? "" : ": " + log::escaped(decision.detail(), 160))
                       .c_str(),
                   stderr);
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
    proto::AuditEvent ended;
    ended.mutable_ended()->set_status(status);
    ended.mutable_ended()->set_reason(reason);
    if (const Status written = window_->record(std::move(ended)); !written) {
        print_error("the audit log: " + written.error().message);
    }
    window_->close();
    if (const Status closed = log_->close(); !closed) {
        print_error("the audit log: " + closed.error().message);
    }
    if (!options_.quiet) {
        uint64_t all = 0;
        for (const auto& [what, count] : denials_) {
            all += count;
        }
        if (all > 0) {
            print_error(
                fmt::format("{} request{} to {} destination{} denied; see: anchorhold audit "
                            "show {} --filter verdict=deny",
                            all, all == 1 ? "" : "s", denials_.size(),
                            denials_.size() == 1 ? "" : "s", sandbox_));
        }
    }
    if (!options_.learn.empty()) {
        const Status written =
            sys::write_file(options_.learn, policy::learn_policy(sandbox_, denied_));
        print_error(written ? fmt::format("--learn: {} holds a draft of what would have been "
                                          "needed; read it before you use it",
                                          options_.learn)
                            : "--learn: " + written.error().message);
    }
}

}  // namespace anchorhold::cli
