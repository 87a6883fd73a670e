// One sandbox's window in the service.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "supervisor/audit/audit_log.h"
#include "supervisor/service/policy_files.h"
#include "supervisor/service/policy_windows.h"
#include "supervisor/window/window.h"

namespace anchorhold::service {

// The roles that its channels are kept under.
constexpr const char* kEgressRole = "egress";
constexpr const char* kNoticesRole = "notices";

class PolicyWindow final : public SandboxWindow {
  public:
    // Fetches the secrets, opens the log, and writes down what runs.
    static Result<std::unique_ptr<PolicyWindow>> create(PolicyWindows::Shared& shared,
                                                        const WindowOrder& order, KeptPolicy kept);
    ~PolicyWindow() override;

    Result<supervisor::SandboxParts> parts() override;
    Result<std::optional<proto::ControlRequest>> take_channels(
        std::vector<supervisor::GuestChannel> channels) override;
    [[nodiscard]] std::vector<KeptDescriptor> descriptors() const override;
    Result<uint64_t> command_begins(const StatedCommand& command) override;
    void command_ended(uint64_t number, std::string_view last_word, Duration took) override;
    void close(const std::string& reason, std::function<void()> done) override;
    [[nodiscard]] std::string shut_because() const override { return shut_because_; }

    // Opens it, or opens it anew: on channels that exist or on new ones.
    Status open_on(std::optional<supervisor::WindowChannels> channels);
    void process_replaced(const std::string& process, const std::string& how);

  private:
    PolicyWindow(PolicyWindows::Shared& shared, const WindowOrder& order, KeptPolicy kept);
    Status fetch_secrets();
    Status record_start();
    [[nodiscard]] proto::ControlRequest set_up() const;
    void end(const std::string& reason);

    PolicyWindows::Shared& shared_;
    const WindowOrder order_;
    KeptPolicy kept_;
    std::string digest_;
    std::optional<supervisor::SandboxSecrets> secrets_;  // until a window has them
    std::vector<std::pair<std::string, std::string>> environment_;
    std::unique_ptr<supervisor::AuditLog> log_;
    std::unique_ptr<supervisor::Window> window_;  // of log_
    uint64_t commands_ = 0;
    std::string shut_because_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // tasks that were posted look at it
};

}  // namespace anchorhold::service
