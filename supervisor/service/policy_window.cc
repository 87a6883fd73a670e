// Policy, secrets, log, channels; then supervisor::Window does the work.
#include "supervisor/service/policy_window.h"

#include <nlohmann/json.hpp>

#include <utility>

#include "base/log.h"
#include "policy/digest.h"
#include "proto/ports.h"
#include "supervisor/window/sandbox_events.h"

namespace anchorhold::service {
namespace {

constexpr size_t kMostText = 512;
// Streams, requests and commands of each supervisor after the first are numbered above this much.
constexpr unsigned kNumbersOfOneLife = 32;  // bits

}  // namespace

PolicyWindow::PolicyWindow(PolicyWindows::Shared& shared, const WindowOrder& order, KeptPolicy kept)
    : shared_(shared),
      order_(order),
      kept_(std::move(kept)),
      digest_(policy::policy_digest(kept_.policy)),
      commands_(order.adoptions << kNumbersOfOneLife) {
    shared_.open.insert(this);
}

PolicyWindow::~PolicyWindow() {
    shared_.open.erase(this);
}

Result<std::unique_ptr<PolicyWindow>> PolicyWindow::create(PolicyWindows::Shared& shared,
                                                           const WindowOrder& order,
                                                           KeptPolicy kept) {
    std::unique_ptr<PolicyWindow> window(new PolicyWindow(shared, order, std::move(kept)));
    ANCHORHOLD_TRY(window->fetch_secrets());
    supervisor::AuditContext context;
    context.sandbox = order.sandbox;
    context.principal = supervisor::current_principal();
    context.parent = order.parent;
    context.policy = window->digest_;
    supervisor::AuditLog::Options options;
    options.folder = shared.audit_folder;
    window->log_ =
        ANCHORHOLD_TRY(supervisor::AuditLog::open(*shared.keys, std::move(context), options));
    return window;
}

Status PolicyWindow::fetch_secrets() {
    secrets_ = ANCHORHOLD_TRY(shared_.registry->resolve(kept_.policy, kept_.placeholders));
    environment_ = secrets_->environment;
    for (const auto& secret : secrets_->store.all()) {
        if (secret->placeholder.empty()) {
            continue;
        }
        std::string& known = kept_.placeholders[secret->name];
        if (known != secret->placeholder) {
            known = secret->placeholder;
            kept_.on_disk = false;
        }
    }
    if (!order_.folder.empty() && !kept_.on_disk) {
        ANCHORHOLD_TRY(write_kept_policy(order_.folder, kept_, shared_.steps));
        kept_.on_disk = true;
    }
    return {};
}

Status PolicyWindow::open_on(std::optional<supervisor::WindowChannels> channels) {
    if (window_) {
        window_->close();
        window_.reset();
    }
    if (!secrets_) {
        ANCHORHOLD_TRY(fetch_secrets());  // the window before this one took them
    }
    const bool adopted = channels.has_value() && order_.adoptions != 0;
    supervisor::WindowSpec spec;
    spec.sandbox = order_.sandbox;
    spec.policy = kept_.policy;
    spec.secrets = std::move(secrets_->store);
    secrets_.reset();
    spec.upstream_roots = shared_.network.upstream_roots;
    spec.numbers_above = order_.adoptions << kNumbersOfOneLife;
    spec.channels = std::move(channels);
    window_ = ANCHORHOLD_TRY(supervisor::Window::open(
        shared_.loop, *shared_.host, *log_, std::move(spec),
        {.on_event = [](const proto::AuditEvent&) {},
         // Nobody watches: what needs a person's word does not get it.
         .on_question =
             [this](const proto::Question& question) {
                 shared_.loop.post([this, id = question.id(), weak = std::weak_ptr<int>(alive_)] {
                     if (!weak.expired() && window_) {
                         window_->answer(id, /*allowed=*/false);
                     }
                 });
             },
         .on_failure =
             [this](const std::string& why) {
                 log::error("sandbox {}: its window is shut: {}", order_.sandbox, why);
                 shut_because_ = why;
             }}));
    return adopted ? Status() : record_start();
}

Status PolicyWindow::record_start() {
    auto event = ANCHORHOLD_TRY(supervisor::sandbox_started(
        shared_.installation, {order_.image, {}, digest_, {}}, kept_.policy));
    return window_->record(std::move(event));
}

proto::ControlRequest PolicyWindow::set_up() const {
    return supervisor::guest_set_up(shared_.host->authority(), environment_);
}

Result<supervisor::SandboxParts> PolicyWindow::parts() {
    ANCHORHOLD_TRY(open_on(std::nullopt));
    supervisor::SandboxParts parts;
    parts.channels.push_back({proto::kEgressPort, window_->take_egress_channel()});
    parts.channels.push_back({proto::kNoticePort, window_->take_notice_channel()});
    parts.set_up = set_up();
    return parts;
}

Result<std::optional<proto::ControlRequest>> PolicyWindow::take_channels(
    std::vector<supervisor::GuestChannel> channels) {
    supervisor::WindowChannels ours;
    for (supervisor::GuestChannel& channel : channels) {
        if (channel.port == proto::kEgressPort) {
            ours.egress = std::move(channel.socket);
        } else if (channel.port == proto::kNoticePort) {
            ours.notices = std::move(channel.socket);
        }
    }
    if (!ours.egress.valid() || !ours.notices.valid()) {
        return fail("the guest that waited has no channels for a window");
    }
    ANCHORHOLD_TRY(open_on(std::move(ours)));
    return std::optional<proto::ControlRequest>(set_up());
}

std::vector<KeptDescriptor> PolicyWindow::descriptors() const {
    std::vector<KeptDescriptor> kept;
    if (window_ && window_->egress_channel() >= 0 && window_->notice_channel() >= 0) {
        kept.push_back({kEgressRole, window_->egress_channel()});
        kept.push_back({kNoticesRole, window_->notice_channel()});
    }
    return kept;
}

Result<uint64_t> PolicyWindow::command_begins(const StatedCommand& command) {
    if (!window_) {
        return fail("the window is not open");
    }
    proto::AuditEvent event;
    proto::CommandExecuted& executed = *event.mutable_exec();
    executed.set_number(++commands_);
    supervisor::add_bounded(*executed.mutable_argv(), command.argv);
    executed.set_user(command.user.substr(0, kMostText));
    executed.set_working_directory(command.working_directory.substr(0, 2 * kMostText));
    ANCHORHOLD_TRY(window_->record(std::move(event)));
    return commands_;
}

// The client's word, and marked so where it said nothing.
void PolicyWindow::command_ended(uint64_t number, std::string_view last_word, Duration took) {
    if (!window_) {
        return;
    }
    proto::AuditEvent event;
    proto::CommandEnded& ended = *event.mutable_exec_ended();
    ended.set_number(number);
    ended.set_duration_ns(static_cast<uint64_t>(took.count()));
    const auto word = nlohmann::json::parse(last_word, nullptr, /*allow_exceptions=*/false);
    const auto number_of = [&](const char* key) {
        return word.contains(key) && word[key].is_number_integer() ? word[key].get<int64_t>() : 0;
    };
    if (!word.is_object()) {
        ended.set_error("lost: its client went without a word");
    } else {
        ended.set_status(static_cast<int32_t>(number_of("status")));
        ended.set_signal(static_cast<uint32_t>(number_of("signal")));
        ended.set_out_of_memory(word.contains("out_of_memory") && word["out_of_memory"] == true);
        if (word.contains("error") && word["error"].is_string()) {
            ended.set_error(word["error"].get<std::string>().substr(0, kMostText));
        }
    }
    if (const Status written = window_->record(std::move(event)); !written) {
        log::error("sandbox {}: the audit log: {}", order_.sandbox, written.error().message);
    }
}

void PolicyWindow::process_replaced(const std::string& process, const std::string& how) {
    if (!window_ || !shut_because_.empty()) {
        return;
    }
    proto::AuditEvent event;
    event.mutable_proxy()->set_process(process);
    event.mutable_proxy()->set_change("died: " + how);
    [[maybe_unused]] const Status written = window_->record(std::move(event));
    if (process == "dialer") {
        window_->dialer_replaced();
    }
}

void PolicyWindow::close(const std::string& reason, std::function<void()> done) {
    if (!window_) {
        [[maybe_unused]] const Status closed = log_->close();
        shared_.loop.post(std::move(done));
        return;
    }
    window_->drain([this, reason, done = std::move(done)] {
        end(reason);
        done();
    });
}

void PolicyWindow::end(const std::string& reason) {
    proto::AuditEvent event;
    event.mutable_ended()->set_reason(reason.substr(0, kMostText));
    Status written = window_->record(std::move(event));
    window_->close();
    if (written) {
        written = log_->close();
    }
    if (!written) {
        log::error("sandbox {}: the audit log: {}", order_.sandbox, written.error().message);
    }
}

}  // namespace anchorhold::service
