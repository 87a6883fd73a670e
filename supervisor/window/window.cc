// Events first, acknowledgement second; a proxy is replaced when the next stream comes.
#include "supervisor/window/window.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/address_text.h"
#include "base/log.h"
#include "base/seqpacket.h"
#include "base/socket_type.h"
#include "base/sys.h"
#include "proto/egress.pb.h"
#include "proto/vmm_control.pb.h"
#include "supervisor/secrets/setup.h"
#include "supervisor/window/destinations.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr int kSetupPipeSize = 1 << 20;
constexpr size_t kMaxReportsAtOnce = 256;
constexpr unsigned kMaxDeaths = 5;
constexpr Duration kDrainPatience = 2s;

uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void wipe(std::string& text) {
    ::explicit_bzero(text.data(), text.size());
}

proto::AuditEvent proxy_changed(const char* process, std::string change) {
    proto::AuditEvent event;
    event.mutable_proxy()->set_process(process);
    event.mutable_proxy()->set_change(std::move(change));
    return event;
}

uint64_t next_number() {
    static uint64_t last = 0;
    return ++last;
}

}  // namespace

Window::Window(EventLoop& loop, WindowHost& host, AuditLog& log, WindowSpec spec, Handlers handlers)
    : loop_(loop),
      host_(host),
      log_(log),
      spec_(std::move(spec)),
      handlers_(std::move(handlers)),
      number_(next_number()) {}

Window::~Window() {
    close();
}

Result<std::unique_ptr<Window>> Window::open(EventLoop& loop, WindowHost& host, AuditLog& log,
                                             WindowSpec spec, Handlers handlers) {
    std::unique_ptr<Window> window(
        new Window(loop, host, log, std::move(spec), std::move(handlers)));
    std::tie(window->egress_, window->vmm_egress_) =
        ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    std::tie(window->notices_, window->vmm_notices_) =
        ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    Window* self = window.get();
    ANCHORHOLD_TRY(
        loop.add(window->notices_.get(), EPOLLIN, [self](uint32_t) { self->accept_notices(); }));
    window->wait_for_stream();
    return window;
}

void Window::wait_for_stream() {
    const Status watched = loop_.add(egress_.get(), EPOLLIN, [this](uint32_t events) {
        loop_.remove(egress_.get());
        if ((events & EPOLLIN) == 0) {
            return;  // the VMM is gone
        }
        if (const Status started = start_proxy(); !started) {
            shut(started.error().message);
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
    sys::Pipe setup = ANCHORHOLD_TRY(sys::pipe());
    ANCHORHOLD_TRY(send_setup(setup.write_end.get()));
    setup.write_end.reset();
    ANCHORHOLD_TRY(host_.add_client(destinations_of(number_, spec_.policy), std::move(dialer)));

    proxy_ = std::make_unique<Proxy>();
    proxy_->number = next_number();
    proxy_->control = std::move(control);
    ProxyStart start;
    start.sandbox = proxy_->number;
    start.control = std::move(proxy_control);
    start.streams = ANCHORHOLD_TRY(sys::dup_cloexec(egress_.get()));
    start.dialer = std::move(proxy_dialer);
    start.setup = std::move(setup.read_end);
    ANCHORHOLD_TRY(
        loop_.add(proxy_->control.get(), EPOLLIN, [this](uint32_t) { receive_reports(); }));
    return host_.fork_proxy(std::move(start),
                            [this, number = proxy_->number](Result<ForkedProxy> forked) {
                                if (proxy_ && proxy_->number == number) {
                                    take_proxy(std::move(forked));
                                }
                            });
}

Status Window::send_setup(int pipe) {
    if (::fcntl(pipe, F_SETPIPE_SZ, kSetupPipeSize) < 0) {
        return fail_errno("fcntl", "the setup pipe");
    }
    Intermediate intermediate = ANCHORHOLD_TRY(host_.authority().issue(spec_.sandbox));
    proto::ProxySetup setup;
    setup.set_sandbox_name(spec_.sandbox);
    setup.set_policy(spec_.policy.SerializeAsString());
    setup.set_intermediate_certificate(std::move(intermediate.certificate));
    setup.set_intermediate_key(intermediate.key);
    setup.set_upstream_roots(spec_.upstream_roots);
    setup.set_first_stream(last_stream_ + 1);
    setup.set_first_request(last_request_ + 1);
    setup.set_idle_exit_seconds(spec_.idle_exit_seconds);
    const auto encoded = encode_setup(setup, spec_.secrets);
    wipe(intermediate.key);
    wipe(*setup.mutable_intermediate_key());
    if (!encoded) {
        return tl::unexpected(encoded.error());
    }
    const Status sent = encoded->size <= static_cast<size_t>(kSetupPipeSize)
                            ? sys::write_all(pipe, encoded->bytes())
                            : fail("the policy and its secrets are larger than 1 MiB");
    return sent;
}

void Window::take_proxy(Result<ForkedProxy> forked) {
    if (!forked) {
        ++deaths_;
        lose_proxy("was not forked: " + forked.error().message);
        return;
    }
    proxy_->pid = forked->pid;
    proxy_->pidfd = std::move(forked->pidfd);
    const Status watched =
        loop_.add(proxy_->pidfd.get(), EPOLLIN, [this](uint32_t) { handle_proxy_end(); });
    if (!watched) {
        shut(watched.error().message);
    }
}

void Window::receive_reports() {
    std::vector<proto::AuditEvent> events;
    uint64_t sequence = 0;
    for (size_t i = 0; i < kMaxReportsAtOnce && proxy_; ++i) {
        auto packet = receive_packet(proxy_->control.get());
        if (packet && !*packet) {
            break;
        }
        auto report = packet && !(*packet)->bytes.empty()
                          ? proto::parse<proto::ProxyReport>((*packet)->bytes, "the proxy's report")
                          : Result<proto::ProxyReport>(fail("end of file"));
        if (!report) {
            loop_.remove(proxy_->control.get());  // its pidfd tells the rest
            if (proxy_->pidfd.valid()) {
                ::syscall(SYS_pidfd_send_signal, proxy_->pidfd.get(), SIGKILL, nullptr, 0);
            }
            break;
        }
        sequence = std::max(sequence, report->sequence());
        handle_report(std::move(*report), events);
    }
    if (events.empty()) {
        return;
    }
    if (const Status written = log_.append(events); !written) {
        shut("the audit log: " + written.error().message);
        return;
    }
    deaths_ = 0;
    schedule_maintenance();
    if (proxy_) {
        proto::ProxyOrder order;
        order.set_written(sequence);
        // A proxy that does not read its acknowledgements waits for ever, and no one else does.
        [[maybe_unused]] const Status told =
            send_packet(proxy_->control.get(), order.SerializeAsString());
    }
    for (const proto::AuditEvent& event : events) {
        handlers_.on_event(event);
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
    // A proxy that died meanwhile needs no dialer; its pidfd tells the rest.
    if (!done && done.error().code != EPIPE && done.error().code != ECONNRESET) {
        shut(done.error().message);
    }
}

void Window::handle_report(proto::ProxyReport report, std::vector<proto::AuditEvent>& events) {
    for (proto::AuditEvent& event : *report.mutable_events()) {
        last_stream_ = std::max(last_stream_, event.stream());
        last_request_ = std::max(last_request_, event.request());
        events.push_back(std::move(event));
    }
    if (report.has_question()) {
        handlers_.on_question(report.question());
    }
    if (report.has_minted()) {
        proto::Secret& minted = *report.mutable_minted()->mutable_secret();
        const Status kept = spec_.secrets.add(minted.name(), minted.value(), minted.placeholder());
        wipe(*minted.mutable_value());
        if (!kept) {
            log::warning("a captured credential is lost with its proxy: {}", kept.error().message);
        }
    }
    proxy_->leaving |= report.leaving();
}

void Window::answer(uint64_t question, bool allowed) {
    if (proxy_) {
        proto::ProxyOrder order;
        order.mutable_answer()->set_question(question);
        order.mutable_answer()->set_allowed(allowed);
        [[maybe_unused]] const Status told =
            send_packet(proxy_->control.get(), order.SerializeAsString());
    }
}

Status Window::record(proto::AuditEvent event) {
    if (event.time_ns() == 0) {
        event.set_time_ns(now_ns());
    }
    ANCHORHOLD_TRY(log_.append({&event, 1}));
    schedule_maintenance();
    handlers_.on_event(event);
    return {};
}

void Window::handle_proxy_end() {
    receive_reports();  // what it still said
    if (!proxy_ || shut_) {
        return;
    }
    deaths_ += proxy_->leaving ? 0 : 1;
    lose_proxy(proxy_->leaving ? "left when idle" : "died");
}

// Streams that nobody took wait for the next.
void Window::lose_proxy(std::string change) {
    drop_proxy();
    if (drained_) {
        end_drain();
        return;
    }
    const Status written = record(proxy_changed("proxy", std::move(change)));
    if (!written) {
        shut("the audit log: " + written.error().message);
    } else if (deaths_ >= kMaxDeaths) {
        shut("the proxy died five times in a row");
    } else {
        wait_for_stream();
    }
}

void Window::drain(std::function<void()> done) {
    drained_ = std::move(done);
    loop_.remove(egress_.get());  // a stream that nobody took is of a guest that is gone
    if (!proxy_ || shut_) {
        loop_.post([this] { end_drain(); });
        return;
    }
    drain_limit_ = loop_.add_timer(kDrainPatience, [this] { end_drain(); });
}

void Window::end_drain() {
    loop_.cancel_timer(drain_limit_);
    if (drained_) {
        std::exchange(drained_, nullptr)();
    }
}

void Window::drop_proxy() {
    if (proxy_) {
        loop_.remove(proxy_->control.get());
        loop_.remove(proxy_->pidfd.get());
        if (proxy_->pidfd.valid()) {
            ::syscall(SYS_pidfd_send_signal, proxy_->pidfd.get(), SIGKILL, nullptr, 0);
        }
        proxy_.reset();
        [[maybe_unused]] const Status removed = host_.remove_client(number_);
    }
}

void Window::accept_notices() {
    auto packet = receive_packet(notices_.get());
    if (packet && !*packet) {
        return;
    }
    const bool good = packet && !(*packet)->bytes.empty() && (*packet)->fds.size() == 1 &&
                      is_stream_socket((*packet)->fds[0].get()) &&
                      sys::set_nonblocking((*packet)->fds[0].get());
    if (!good) {
        loop_.remove(notices_.get());
        return;
    }
    if (notice_stream_) {
        loop_.remove(notice_stream_->stream.get());  // init has one; a second replaces it
    }
    notice_stream_ = std::make_unique<Notices>();
    notice_stream_->stream = std::move((*packet)->fds[0]);
    [[maybe_unused]] const Status watched =
        loop_.add(notice_stream_->stream.get(), EPOLLIN, [this](uint32_t) { read_notices(); });
}

void Window::read_notices() {
    std::byte buffer[4096];
    const auto count = sys::read_some(notice_stream_->stream.get(), buffer);
    if (count && !*count) {
        return;
    }
    std::vector<proto::AuditEvent> events;
    bool good = count && **count > 0;
    if (good) {
        notice_stream_->frames.feed(std::span(buffer).first(**count));
    }
    while (good) {
        const auto frame = notice_stream_->frames.next();
        if (!frame || !*frame) {
            good = frame.has_value();
            break;
        }
        const auto notice = proto::parse<proto::GuestNotice>(**frame, "the guest's notice");
        if (!notice || !notice->has_dns() || notice->dns().name().size() > 255) {
            good = false;
            break;
        }
        proto::AuditEvent event;
        event.set_time_ns(now_ns());
        proto::DnsAsked& asked = *event.mutable_dns();
        asked.set_name(notice->dns().name());
        asked.set_type(notice->dns().type());
        asked.set_answer(address_text(std::as_bytes(std::span(notice->dns().answer()))));
        asked.set_repeated(notice->dns().repeated());
        events.push_back(std::move(event));
    }
    if (!events.empty()) {
        if (const Status written = log_.append(events); !written) {
            shut("the audit log: " + written.error().message);
            return;
        }
        schedule_maintenance();
        for (const proto::AuditEvent& event : events) {
            handlers_.on_event(event);
        }
    }
    if (!good) {
        loop_.remove(notice_stream_->stream.get());
        notice_stream_.reset();
    }
}

void Window::schedule_maintenance() {
    const auto due = log_.next_maintenance();
    if (!due || maintenance_ != 0) {
        return;
    }
    const Duration delay = std::max<Duration>(*due - loop_.clock().now(), 0ns);
    maintenance_ = loop_.add_timer(delay, [this] {
        maintenance_ = 0;
        if (const Status done = log_.maintain(); !done) {
            shut("the audit log: " + done.error().message);
            return;
        }
        schedule_maintenance();
    });
}

void Window::shut(const std::string& why) {
    if (!std::exchange(shut_, true)) {
        drop_proxy();
        loop_.remove(egress_.get());
        egress_.reset();
        handlers_.on_failure(why);
    }
}

void Window::close() {
    if (proxy_ && !shut_) {
        receive_reports();
    }
    shut_ = true;
    drop_proxy();
    loop_.cancel_timer(maintenance_);
    loop_.cancel_timer(drain_limit_);
    maintenance_ = 0;
    if (notice_stream_) {
        loop_.remove(notice_stream_->stream.get());
        notice_stream_.reset();
    }
    loop_.remove(egress_.get());
    loop_.remove(notices_.get());
}

}  // namespace anchorhold::supervisor
