// A run's window: opened before the sandbox, its denials told to the person who watches.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/event_loop.h"
#include "cli/question.h"
#include "cli/run_options.h"
#include "cli/run_policy.h"
#include "policy/learn.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/audit/audit_log.h"
#include "supervisor/installation.h"
#include "supervisor/sandbox.h"
#include "supervisor/window/window.h"

namespace anchorhold::cli {

// Belongs to its event loop's thread; outlives the sandbox it serves.
class RunWindow {
  public:
    // `on_failure`: the window is shut for good; one line.
    static Result<std::unique_ptr<RunWindow>> open(
        EventLoop& loop, const supervisor::Installation& installation, const RunOptions& options,
        std::function<void(const std::string& why)> on_failure);
    ~RunWindow();

    // Channels and the guest's set-up, once.
    supervisor::SandboxParts parts();

    // The VM is gone: waits for the proxy's last events, writes the end down, sums up denials,
    // writes --learn's draft, and calls `done`.
    void finish(int status, const std::string& reason, std::function<void()> done);

    [[nodiscard]] const std::string& sandbox() const { return sandbox_; }

  private:
    RunWindow(EventLoop& loop, const RunOptions& options);
    void note(const proto::AuditEvent& event);
    void close(int status, const std::string& reason);

    EventLoop& loop_;
    const RunOptions& options_;
    Questions questions_;
    std::string sandbox_;
    RunPolicy policy_;
    std::unique_ptr<supervisor::WindowHost> host_;
    std::optional<supervisor::AuditKeys> keys_;  // outlive the log
    std::unique_ptr<supervisor::AuditLog> log_;
    std::unique_ptr<supervisor::Window> window_;
    // protocol, host, port and reason of what was denied, and how often
    std::map<std::tuple<std::string, std::string, uint32_t, std::string>, uint64_t> denials_;
    std::vector<policy::DeniedRequest> denied_;  // for --learn, bounded
    bool finished_ = false;
};

}  // namespace anchorhold::cli
