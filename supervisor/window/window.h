// One sandbox's window, seen from the supervisor: its proxy is forked at the first stream, its
// events are written down before they are acknowledged, and whatever dies is replaced with the same
// policy or fails closed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/audit.pb.h"
#include "proto/frame.h"
#include "proto/policy.pb.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/secret_store.h"
#include "supervisor/audit/audit_log.h"
#include "supervisor/window/window_host.h"

namespace anchorhold::supervisor {

struct WindowSpec {
    std::string sandbox;  // name
    proto::ResolvedPolicy policy;
    proxy::SecretStore secrets;
    std::string upstream_roots;       // PEM, besides the host's own; may be empty
    uint32_t idle_exit_seconds = 60;  // of the proxy; 0: it stays
};

// Belongs to its event loop's thread.
class Window {
  public:
    struct Handlers {
        // Every event that was written.
        std::function<void(const proto::AuditEvent&)> on_event;
        // A request waits for a person. Call answer() with its id, at once or later.
        std::function<void(const proto::Question&)> on_question;
        // The window is shut for good: the log cannot be written, or its parts cannot be started.
        // One line.
        std::function<void(const std::string& why)> on_failure;
    };

    static Result<std::unique_ptr<Window>> open(EventLoop& loop, WindowHost& host, AuditLog& log,
                                                WindowSpec spec, Handlers handlers);
    ~Window();
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    // The VMM's ends of the channels for kEgressPort and kNoticePort (StreamChannel), once each.
    OwnFd take_egress_channel() { return std::move(vmm_egress_); }
    OwnFd take_notice_channel() { return std::move(vmm_notices_); }

    void answer(uint64_t question, bool allowed);
    // An event of the supervisor's own.
    Status record(proto::AuditEvent event);

    // The host's dialer was replaced: gives the running proxy a channel to the new one.
    void dialer_replaced();

    // The VM is gone: `done` runs when the proxy has said its last (or two seconds later), from the
    // event loop.
    void drain(std::function<void()> done);

    // Ends the proxy; its last events are read first. The window cannot be used afterwards.
    void close();

    [[nodiscard]] pid_t proxy_pid() const { return proxy_ ? proxy_->pid : -1; }

  private:
    struct Proxy {
        uint64_t number = 0;
        pid_t pid = -1;
        OwnFd pidfd;
        OwnFd control;
        bool leaving = false;
    };
    struct Notices {
        OwnFd stream;
        proto::FrameReader frames{proto::kMaxControlFrame};
    };

    Window(EventLoop& loop, WindowHost& host, AuditLog& log, WindowSpec spec, Handlers handlers);
    void wait_for_stream();
    Status start_proxy();
    Status send_setup(int pipe);
    void take_proxy(Result<ForkedProxy> forked);
    void receive_reports();
    void handle_report(proto::ProxyReport report, std::vector<proto::AuditEvent>& events);
    void handle_proxy_end();
    void lose_proxy(std::string change);
    void end_drain();
    void drop_proxy();
    void accept_notices();
    void read_notices();
    void shut(const std::string& why);

    EventLoop& loop_;
    WindowHost& host_;
    AuditLog& log_;
    WindowSpec spec_;
    Handlers handlers_;
    uint64_t number_;
    OwnFd egress_;  // our copy of the proxy's end: streams wait in it while there is no proxy
    OwnFd notices_;
    OwnFd vmm_egress_;
    OwnFd vmm_notices_;
    std::unique_ptr<Proxy> proxy_;
    std::unique_ptr<Notices> notice_stream_;
    std::function<void()> drained_;
    EventLoop::TimerId drain_limit_ = 0;
    EventLoop::TimerId maintenance_ = 0;
    void schedule_maintenance();
    uint64_t last_stream_ = 0;
    uint64_t last_request_ = 0;
    unsigned deaths_ = 0;  // of proxies in a row that wrote no event
    bool shut_ = false;
};

}  // namespace anchorhold::supervisor
