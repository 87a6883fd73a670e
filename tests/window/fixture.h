// A whole window without a VM: supervisor's half on a thread of its own, the real proxy and dialer
// as processes, the test as the guest.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/event_loop.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/audit/audit_log.h"
#include "supervisor/window/window.h"
#include "window/guest_end.h"
#include "window/stand_in.h"

namespace anchorhold::window_test {

struct WindowOptions {
    std::vector<std::string> policies{};             // YAML texts
    std::map<std::string, uint16_t> hosts{};         // names that lead to 127.0.0.1 and this port
    std::map<std::string, std::string> addresses{};  // names that lead to these 4 or 16 bytes
    std::map<std::string, std::string> secrets{};    // values by name; "<name>" gets a placeholder
    std::string upstream_roots{};
    uint32_t idle_exit_seconds = 0;
    std::function<bool(const proto::Question&)> answer{};  // unset: questions stay open
};

class TestWindow {
  public:
    explicit TestWindow(const WindowOptions& options);
    ~TestWindow();

    // A stream as the guest opens it, its claim sent.
    std::unique_ptr<GuestStream> open(const proto::StreamOpen& claim);
    std::unique_ptr<GuestStream> open(const std::string& host, uint16_t port) {
        return open(claim_of(host, port));
    }
    // The same with TLS to that name; fails the test when it cannot be had.
    std::unique_ptr<GuestStream> open_tls(const std::string& host, uint16_t port = 443);
    // One request on a connection of its own.
    HttpAnswer ask(const std::string& host, const std::string& request, uint16_t port = 443);
    // A stream with nothing sent on it.
    std::unique_ptr<GuestStream> open_raw();
    // The same to the port for notices.
    std::unique_ptr<GuestStream> open_notices();

    [[nodiscard]] const std::string& root_pem() const { return root_pem_; }
    [[nodiscard]] std::string placeholder(const std::string& secret) const;
    // Waits until an event that `matches` was written (20 s), and returns it.
    proto::AuditEvent wait_for(const std::function<bool(const proto::AuditEvent&)>& matches);
    // The first denial for that reason.
    proto::RequestDecided wait_for_denial(const std::string& reason);
    std::vector<proto::AuditEvent> events();
    // The whole log's text.
    std::string log_text();
    [[nodiscard]] const std::string& log_folder() const { return audit_folder_; }
    // From here on every write to the log fails, as on a full disk.
    static void break_log();
    // Why the window was shut, once it is; the log can be written again. Empty after 20 s.
    std::string wait_for_failure();
    pid_t proxy_pid();
    pid_t dialer_pid();
    pid_t zygote_pid();
    // Runs on the window's thread and waits for it.
    void on_loop(const std::function<void()>& task);

  private:
    void run(const WindowOptions& options);
    static std::unique_ptr<GuestStream> open_on(int channel, uint32_t port);

    std::string folder_;
    std::string audit_folder_;
    std::string root_pem_;
    std::map<std::string, std::string> placeholders_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<supervisor::WindowHost> host_;
    std::unique_ptr<supervisor::AuditLog> log_;
    std::unique_ptr<supervisor::Window> window_;
    OwnFd egress_;
    OwnFd notices_;
    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable written_;
    std::vector<proto::AuditEvent> events_;
    std::string failure_;
    bool ready_ = false;
};

}  // namespace anchorhold::window_test
