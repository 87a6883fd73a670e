// The shared half.
#include "supervisor/service/policy_windows.h"

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "policy/policy_file.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/secrets/process_memory.h"
#include "supervisor/service/policy_files.h"
#include "supervisor/service/policy_window.h"

namespace anchorhold::service {

PolicyWindows::PolicyWindows(EventLoop& loop, const supervisor::Installation& installation)
    : shared_{loop, installation, {}, {}, {}, {}, {}, {}, {}} {}

PolicyWindows::~PolicyWindows() = default;

std::unique_ptr<PolicyWindows> PolicyWindows::create(EventLoop& loop,
                                                     const supervisor::Installation& installation) {
    std::unique_ptr<PolicyWindows> windows(new PolicyWindows(loop, installation));
    windows->prepared_ = windows->prepare();
    if (!windows->prepared_) {
        log::warning("no sandbox can have a policy: {}", windows->prepared_.error().message);
    }
    return windows;
}

Status PolicyWindows::prepare() {
    ANCHORHOLD_TRY(supervisor::seal_process_memory());
    shared_.registry = ANCHORHOLD_TRY(
        supervisor::SecretRegistry::load(supervisor::SecretRegistry::default_path()));
    shared_.network = ANCHORHOLD_TRY(supervisor::load_network_settings());
    shared_.audit_folder = ANCHORHOLD_TRY(supervisor::default_audit_folder());
    return {};
}

// Zygote, dialer and keys cost nothing where no sandbox has a window.
Status PolicyWindows::start_host() {
    if (!prepared_) {
        return fail(prepared_.error().message, ENOSYS);
    }
    if (shared_.host) {
        return {};
    }
    shared_.keys = ANCHORHOLD_TRY(supervisor::AuditKeys::open_or_create(shared_.audit_folder));
    shared_.host = ANCHORHOLD_TRY(
        supervisor::WindowHost::start(shared_.loop, shared_.installation, shared_.network.dialer,
                                      [this](const std::string& process, const std::string& how) {
                                          for (PolicyWindow* window : shared_.open) {
                                              window->process_replaced(process, how);
                                          }
                                      }));
    return {};
}

Result<std::unique_ptr<PolicyWindow>> PolicyWindows::make(const WindowOrder& order) {
    ANCHORHOLD_TRY(start_host());
    std::optional<KeptPolicy> kept;
    if (!order.folder.empty()) {
        kept = ANCHORHOLD_TRY(read_kept_policy(order.folder));
        // A fork's guest holds its parent's placeholders.
        if (!kept && !order.parent_folder.empty()) {
            kept = ANCHORHOLD_TRY(read_kept_policy(order.parent_folder));
            if (kept) {
                kept->on_disk = false;  // there, not here
            }
        }
    }
    if (!kept) {
        auto policy = policy::load_policy(order.policies);
        if (!policy) {
            return fail(policy.error().message, EINVAL);
        }
        kept.emplace();
        kept->policy = std::move(*policy);
    }
    return PolicyWindow::create(shared_, order, std::move(*kept));
}

Result<std::unique_ptr<SandboxWindow>> PolicyWindows::open(const WindowOrder& order) {
    return ANCHORHOLD_TRY(make(order));
}

Result<std::unique_ptr<SandboxWindow>> PolicyWindows::adopt(
    const WindowOrder& order, std::map<std::string, OwnFd>& descriptors) {
    std::unique_ptr<PolicyWindow> window = ANCHORHOLD_TRY(make(order));
    supervisor::WindowChannels channels{std::move(descriptors[kEgressRole]),
                                        std::move(descriptors[kNoticesRole])};
    descriptors.erase(kEgressRole);
    descriptors.erase(kNoticesRole);
    ANCHORHOLD_TRY(window->open_on(std::move(channels)));
    return window;
}

}  // namespace anchorhold::service
