// A proxy's life: forked when a stream waits, replaced when it died, ever more slowly when it keeps
// dying.
#include "supervisor/window/window.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "supervisor/window/destinations.h"
#include "supervisor/window/proxy_setup.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDrainPatience = 2s;
constexpr Duration kStartPatience = 30s;

proto::AuditEvent proxy_changed(std::string change) {
    proto::AuditEvent event;
    event.mutable_proxy()->set_process("proxy");
    event.mutable_proxy()->set_change(std::move(change));
    return event;
}

uint64_t next_number() {
    static uint64_t last = 0;
    return ++last;
}

}  // namespace

Window::Window(EventLoop& loop, WindowHost& host, AuditLog& log, WindowSpec spec, Handlers handlers,
               OwnFd notices)
    : loop_(loop),
      host_(host),
      spec_(std::move(spec)),
      handlers_(std::move(handlers)),
      number_(next_number()),
      vocabulary_(spec_.policy),
      captured_(spec_.secrets),
      writer_(loop, log,
              {.on_event = [this](const proto::AuditEvent& event) { handlers_.on_event(event); },
               .on_failure = [this](const std::string& why) { shut("the audit log: " + why); }}),
      notices_(loop, std::move(notices),
               [this](std::vector<proto::AuditEvent> events) { write(std::move(events)); }),
      pace_(loop.clock()) {}

Window::~Window() {
    close();
}

Result<std::unique_ptr<Window>> Window::open(EventLoop& loop, WindowHost& host, AuditLog& log,
                                             WindowSpec spec, Handlers handlers) {
    std::optional<WindowChannels> channels = std::exchange(spec.channels, std::nullopt);
    OwnFd vmm_notices;
    OwnFd vmm_egress;
    if (!channels) {
        auto [notices, notices_there] =
            ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
        auto [egress, egress_there] =
            ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
        vmm_notices = std::move(notices_there);
        vmm_egress = std::move(egress_there);
        channels = WindowChannels{std::move(egress), std::move(notices)};
    }
    const uint64_t numbers_above = spec.numbers_above;
    std::unique_ptr<Window> window(new Window(loop, host, log, std::move(spec), std::move(handlers),
                                              std::move(channels->notices)));
    window->egress_ = std::move(channels->egress);
    window->vmm_egress_ = std::move(vmm_egress);
    window->vmm_notices_ = std::move(vmm_notices);
    window->last_stream_ = numbers_above;
    window->last_request_ = numbers_above;
    ANCHORHOLD_TRY(window->notices_.watch());
    window->wait_for_stream();
    return window;
}

void Window::wait_for_stream() {
    restart_ = 0;
    const Status watched = loop_.add(egress_.get(), EPOLLIN, [this](uint32_t events) {
        loop_.remove(egress_.get());
        if ((events & EPOLLIN) == 0) {
            return;  // the VMM is gone
        }
        if (const Status started = start_proxy(); !started) {
            start_failed(started.error().message);
        }
    });
    if (!watched) {
        shut(watched.error().message);
    }
}

Status Window::start_proxy() {
    auto [control, proxy_control] =
        ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    auto [dialer, proxy_dialer] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    OwnFd setup = ANCHORHOLD_TRY(make_setup());
    ANCHORHOLD_TRY(host_.add_client(destinations_of(number_, spec_.policy), std::move(dialer)));

    proxy_ = std::make_unique<Proxy>(next_number(),
                                     ReportCheck(vocabulary_, last_stream_ + 1, last_request_ + 1));
    proxy_->control = std::move(control);
    ProxyStart start;
    start.sandbox = proxy_->number;
    start.control = std::move(proxy_control);
    start.streams = ANCHORHOLD_TRY(sys::dup_cloexec(egress_.get()));
    start.dialer = std::move(proxy_dialer);
    start.setup = std::move(setup);
    ANCHORHOLD_TRY(watch_reports());
    return host_.fork_proxy(std::move(start),
                            [this, number = proxy_->number](Result<ForkedProxy> forked) {
                                if (proxy_ && proxy_->number == number) {
                                    take_proxy(std::move(forked));
                                }
                            });
}

Result<OwnFd> Window::make_setup() const {
    proto::ProxySetup setup;
    setup.set_sandbox_name(spec_.sandbox);
    setup.set_policy(spec_.policy.SerializeAsString());
    setup.set_upstream_roots(spec_.upstream_roots);
    setup.set_first_stream(last_stream_ + 1);
    setup.set_first_request(last_request_ + 1);
    setup.set_idle_exit_seconds(spec_.idle_exit_seconds);
    return write_setup(setup, spec_.secrets);
}

void Window::take_proxy(Result<ForkedProxy> forked) {
    if (!forked) {
        start_failed(forked.error().message);
        return;
    }
    proxy_->pid = forked->pid;
    proxy_->pidfd = std::move(forked->pidfd);
    if (!proxy_->breach.empty()) {
        kill_proxy();
    }
    const Status watched =
        loop_.add(proxy_->pidfd.get(), EPOLLIN, [this](uint32_t) { handle_proxy_end(); });
    if (!watched) {
        shut(watched.error().message);
    }
}

// The zygote or the dialer may just have died; both come back.
void Window::start_failed(const std::string& why) {
    lose_proxy("cannot be started: " + why);
}

void Window::handle_proxy_end() {
    receive_reports(Reading::last);
    if (!proxy_ || shut_) {
        return;
    }
    const std::string breach = proxy_->breach;
    const bool left = proxy_->leaving && breach.empty();
    if (left && drained_) {
        drop_proxy();
        end_drain();
        return;
    }
    if (left) {
        drop_proxy();
        if (write({proxy_changed("left when idle")})) {
            wait_for_stream();
        }
        return;
    }
    lose_proxy(breach.empty() ? "died" : "broke the protocol: " + breach);
}

void Window::lose_proxy(const std::string& change) {
    drop_proxy();
    if (!write({proxy_changed(change)})) {
        return;
    }
    if (drained_) {
        end_drain();
        return;
    }
    const Duration wait = pace_.after_death();
    const TimePoint now = loop_.clock().now();
    failing_since_ = wait == Duration::zero() ? now : failing_since_.value_or(now);
    if (now - *failing_since_ > kStartPatience) {
        shut("for half a minute no proxy lived to say a word; the last one " + change);
    } else if (wait == Duration::zero()) {
        wait_for_stream();
    } else {
        restart_ = loop_.add_timer(wait, [this] { wait_for_stream(); });
    }
}

void Window::dialer_replaced() {
    if (!proxy_) {
        return;
    }
    auto pair = sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK);
    Status done =
        pair ? host_.add_client(destinations_of(number_, spec_.policy), std::move(pair->first))
             : Status(tl::unexpected(pair.error()));
    if (done) {
        proto::ProxyOrder order;
        order.set_dialer_replaced(true);
        const int fd = pair->second.get();
        done = send_packet(proxy_->control.get(), order.SerializeAsString(), std::span(&fd, 1));
    }
    if (!done) {
        kill_proxy();  // the next one gets a channel with its setup
    }
}

Status Window::record(proto::AuditEvent event) {
    return writer_.write({std::move(event)});
}

// False: the window is shut now.
bool Window::write(std::vector<proto::AuditEvent> events) {
    const Status written = writer_.write(std::move(events));
    if (!written) {
        shut("the audit log: " + written.error().message);
    }
    return written.has_value();
}

void Window::drain(std::function<void()> done) {
    drained_ = std::move(done);
    loop_.remove(egress_.get());  // a stream that nobody took is of a guest that is gone
    loop_.cancel_timer(restart_);
    if (!proxy_ || shut_) {
        loop_.post([this] { end_drain(); });
        return;
    }
    drain_limit_ = loop_.add_timer(kDrainPatience, [this] { end_drain(); });
}

void Window::end_drain() {
    loop_.cancel_timer(drain_limit_);
    if (drained_) {
        const std::function<void()> done = std::exchange(drained_, nullptr);
        if (const Status finished = writer_.finish(); !finished) {
            shut("the audit log: " + finished.error().message);
        }
        done();
    }
}

void Window::kill_proxy() {
    if (proxy_ && proxy_->pidfd.valid()) {
        ::syscall(SYS_pidfd_send_signal, proxy_->pidfd.get(), SIGKILL, nullptr, 0);
    }
}

void Window::drop_proxy() {
    if (!proxy_) {
        return;
    }
    loop_.cancel_timer(reading_);
    loop_.remove(proxy_->control.get());
    loop_.remove(proxy_->pidfd.get());
    kill_proxy();
    last_stream_ = proxy_->check.last_stream();
    last_request_ = proxy_->check.last_request();
    proxy_.reset();
    questions_.clear();
    writer_.forget_streams();
    [[maybe_unused]] const Status removed = host_.remove_client(number_);
}

void Window::shut(const std::string& why) {
    if (!std::exchange(shut_, true)) {
        drop_proxy();
        loop_.cancel_timer(restart_);
        loop_.remove(egress_.get());
        egress_.reset();
        handlers_.on_failure(why);
    }
}

void Window::close() {
    if (proxy_ && !shut_) {
        receive_reports(Reading::last);
    }
    shut_ = true;
    drop_proxy();
    loop_.cancel_timer(restart_);
    loop_.cancel_timer(drain_limit_);
    [[maybe_unused]] const Status finished = writer_.finish();
    loop_.remove(egress_.get());
}

}  // namespace anchorhold::supervisor
