// A run's window: opened before the sandbox, its denials told to the person who watches.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "cli/question.h"
#include "cli/run_options.h"
#include "cli/run_policy.h"
#include "cli/window_notes.h"
#include "exec/client.h"
#include "proto/exec.pb.h"
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

    // Written down before the command runs; how it ended, once. One command in a run.
    Status command_begins(const proto::ExecStart& start);
    Status command_ended(const exec::Outcome& outcome);

    // The VM is gone: waits for the proxy's last events, writes the end down, sums up denials,
    // writes --learn's draft, and calls `done`.
    void finish(int status, const std::string& reason, std::function<void()> done);

    [[nodiscard]] const std::string& sandbox() const { return sandbox_; }

  private:
    RunWindow(EventLoop& loop, const RunOptions& options);
    void note(const proto::AuditEvent& event);
    Status record_start(const supervisor::Installation& installation);
    void report_end() const;
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
    WindowNotes notes_;
    std::optional<TimePoint> command_began_;  // nullopt: none runs
    bool finished_ = false;
};

}  // namespace anchorhold::cli
