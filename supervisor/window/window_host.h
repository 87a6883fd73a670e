// What all windows of one supervisor share: the zygote that forks proxies, the dialer, the
// installation's root certificate.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"
#include "proto/dialer.pb.h"
#include "proto/proxy_control.pb.h"
#include "supervisor/installation.h"
#include "supervisor/window/certificate_authority.h"
#include "supervisor/window/restart_pace.h"

namespace anchorhold::supervisor {

// The descriptors of a proxy to be, and its number.
struct ProxyStart {
    uint64_t sandbox = 0;
    OwnFd control;
    OwnFd streams;
    OwnFd dialer;
    OwnFd setup;
};

struct ForkedProxy {
    pid_t pid = -1;  // for people and tests; signals go through the pidfd
    OwnFd pidfd;
};

// Belongs to its event loop's thread. Zygote and dialer are started at once, restarted when they
// die (ever more slowly while they keep dying), and end with this object; a proxy whose zygote died
// dies with it, so that nothing stays that nobody watches.
class WindowHost {
  public:
    // Runs once for each fork: the proxy, or why there is none.
    using OnForked = std::function<void(Result<ForkedProxy>)>;
    // A process of ours that was replaced, and how it ended: "dialer", "killed by signal 9". After
    // a dialer every window wants Window::dialer_replaced().
    using OnReplaced = std::function<void(const std::string& process, const std::string& how)>;

    static Result<std::unique_ptr<WindowHost>> start(EventLoop& loop,
                                                     const Installation& installation,
                                                     const proto::DialerSettings& settings,
                                                     OnReplaced on_replaced);
    ~WindowHost();
    WindowHost(const WindowHost&) = delete;
    WindowHost& operator=(const WindowHost&) = delete;

    Status fork_proxy(ProxyStart start, OnForked on_forked);

    // Makes the dialer serve a sandbox's channel, in place of an earlier one of that number.
    Status add_client(const proto::AddClient& client, OwnFd channel);
    Status remove_client(uint64_t client);

    [[nodiscard]] const CertificateAuthority& authority() const { return authority_; }
    [[nodiscard]] pid_t dialer_pid() const { return dialer_.child.pid(); }
    [[nodiscard]] pid_t zygote_pid() const { return zygote_.child.pid(); }

  private:
    struct Process {
        const char* name;  // for people
        RestartPace pace;
        std::string program{};
        Child child{};
        OwnFd control{};
        EventLoop::TimerId restart = 0;
    };
    WindowHost(EventLoop& loop, CertificateAuthority authority);
    Status start_process(Process& process);
    static Status tell(const Process& process, const std::string& bytes,
                       std::span<const int> fds = {});
    Status start_dialer();
    Status start_zygote();
    Status start(Process& process);
    void handle_end(Process& process);
    void restart(Process& process, const std::string& how);
    void receive_forked();

    EventLoop& loop_;
    CertificateAuthority authority_;
    proto::DialerSettings settings_;
    OnReplaced on_replaced_;
    Process zygote_;
    Process dialer_;
    std::unordered_map<uint64_t, OnForked> forking_;
};

}  // namespace anchorhold::supervisor
