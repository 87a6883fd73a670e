// One sandbox's window, seen from the supervisor: its proxy is forked at the first stream, its
// events are written down before they are acknowledged, and whatever dies is replaced with the same
// policy; until then nothing passes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/audit.pb.h"
#include "proto/policy.pb.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/secret_store.h"
#include "supervisor/audit/audit_log.h"
#include "supervisor/window/captured_credentials.h"
#include "supervisor/window/event_writer.h"
#include "supervisor/window/guest_notices.h"
#include "supervisor/window/proxy_report.h"
#include "supervisor/window/restart_pace.h"
#include "supervisor/window/window_host.h"

namespace anchorhold::supervisor {

// The host's ends of a sandbox's two channels, where they exist already.
struct WindowChannels {
    OwnFd egress;
    OwnFd notices;
};

struct WindowSpec {
    std::string sandbox;  // name
    proto::ResolvedPolicy policy;
    proxy::SecretStore secrets;
    std::string upstream_roots;       // PEM, besides the host's own; may be empty
    uint32_t idle_exit_seconds = 60;  // of the proxy; 0: it stays
    // Streams and requests are numbered above it: an earlier supervisor of the sandbox had the
    // rest.
    uint64_t numbers_above = 0;
    std::optional<WindowChannels> channels;  // absent: they are made
};

// Belongs to its event loop's thread.
class Window {
  public:
    struct Handlers {
        // Every event that was written; floods come as counts (supervisor/audit/event_fold.h).
        std::function<void(const proto::AuditEvent&)> on_event;
        // A request waits for a person. Call answer() with the question's id, at once or later. An
        // id is never used twice.
        std::function<void(const proto::Question&)> on_question;
        // The window is shut for good: the log cannot be written, or no proxy lived to say a word
        // for half a minute. One line.
        std::function<void(const std::string& why)> on_failure;
    };

    static Result<std::unique_ptr<Window>> open(EventLoop& loop, WindowHost& host, AuditLog& log,
                                                WindowSpec spec, Handlers handlers);
    ~Window();
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    // The VMM's ends of the channels for kEgressPort and kNoticePort (StreamChannel), once each;
    // empty where the channels were given.
    OwnFd take_egress_channel() { return std::move(vmm_egress_); }
    OwnFd take_notice_channel() { return std::move(vmm_notices_); }

    // Borrowed: WindowChannels, for whoever keeps them; -1: the window is shut.
    [[nodiscard]] int egress_channel() const { return egress_.get(); }
    [[nodiscard]] int notice_channel() const { return notices_.channel(); }

    // Nothing happens when the question's proxy is gone.
    void answer(uint64_t question, bool allowed);
    // An event of the supervisor's own.
    Status record(proto::AuditEvent event);

    // The host's dialer was replaced: gives the running proxy a channel to the new one.
    void dialer_replaced();

    // The VM is gone: `done` runs when the proxy has said its last (or two seconds later) and every
    // count is written, from the event loop.
    void drain(std::function<void()> done);

    // Ends the proxy; its last events are read first. The window cannot be used afterwards.
    void close();

    [[nodiscard]] pid_t proxy_pid() const { return proxy_ ? proxy_->pid : -1; }

  private:
    struct Proxy {
        Proxy(uint64_t its_number, ReportCheck its_check)
            : number(its_number), check(std::move(its_check)) {}
        const uint64_t number;
        ReportCheck check;
        pid_t pid = -1;
        OwnFd pidfd;
        OwnFd control;
        bool leaving = false;
        std::string breach;  // what it reported that no proxy may; empty: nothing
    };
    enum class Reading { paced, last };

    Window(EventLoop& loop, WindowHost& host, AuditLog& log, WindowSpec spec, Handlers handlers,
           OwnFd notices);
    void wait_for_stream();
    Status start_proxy();
    Result<OwnFd> make_setup() const;
    void take_proxy(Result<ForkedProxy> forked);
    void start_failed(const std::string& why);
    void lose_proxy(const std::string& change);
    Status watch_reports();
    void receive_reports(Reading reading);
    Status receive_report(std::vector<proto::AuditEvent>& events, uint64_t& sequence, bool& more);
    void use_report(proto::ProxyReport& report, std::vector<proto::AuditEvent>& events);
    void certify(const std::string& public_key);
    void ask(proto::Question question);
    bool write(std::vector<proto::AuditEvent> events);
    void rest_from_reports();
    void handle_proxy_end();
    void kill_proxy();
    void drop_proxy();
    void end_drain();
    void shut(const std::string& why);

    EventLoop& loop_;
    WindowHost& host_;
    WindowSpec spec_;
    Handlers handlers_;
    const uint64_t number_;
    const ReportVocabulary vocabulary_;
    CapturedCredentials captured_;
    EventWriter writer_;
    GuestNotices notices_;
    OwnFd egress_;  // our copy of the proxy's end: streams wait in it while there is no proxy
    OwnFd vmm_egress_;
    OwnFd vmm_notices_;
    std::unique_ptr<Proxy> proxy_;
    uint64_t last_stream_ = 0;
    uint64_t last_request_ = 0;

    struct OpenQuestion {
        uint64_t id;  // the proxy's own
    };
    std::unordered_map<uint64_t, OpenQuestion> questions_;  // of the running proxy
    uint64_t last_question_ = 0;

    RestartPace pace_;
    EventLoop::TimerId restart_ = 0;
    std::optional<TimePoint> failing_since_;  // no proxy has said a word since
    uint64_t read_in_turn_ = 0;               // events of the current kReadTurn
    TimePoint read_turn_ends_{};
    EventLoop::TimerId reading_ = 0;

    std::function<void()> drained_;
    EventLoop::TimerId drain_limit_ = 0;
    bool shut_ = false;
};

}  // namespace anchorhold::supervisor
