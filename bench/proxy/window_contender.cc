// The bench plays the VMM: it hands streams over the egress channel.
#include "bench/proxy/window_contender.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "base/event_loop.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "bench/proxy/certificates.h"
#include "policy/compose.h"
#include "policy/document.h"
#include "proto/egress.pb.h"
#include "proto/frame.h"
#include "proto/ports.h"
#include "proto/vmm_control.pb.h"
#include "proxy/credentials/placeholder.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/audit/audit_log.h"
#include "supervisor/window/window.h"

namespace anchorhold::bench {
namespace {

constexpr const char* kPolicy = R"(version: 1
kind: grant
name: bench
allow:
  - host: bench.example
    methods: [GET]
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
  - host: bulk.example
    methods: [GET]
    paths: ["/bulk/*"]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: bench-key
    host: bench.example
    kind: bearer
    variable: BENCH_KEY
)";
constexpr const char* kSecret = "0123456789abcdef0123456789abcdef01234567";
constexpr size_t kMaxRoots = size_t{1} << 20;

Result<proto::ResolvedPolicy> resolved_policy() {
    std::vector<policy::Document> documents;
    documents.push_back(ANCHORHOLD_TRY(policy::parse_document(kPolicy, "bench.yaml")));
    return policy::compose(std::move(documents));
}

void lead_home(proto::DialerSettings& settings, const char* host, uint16_t port) {
    proto::HostOverride& entry = *settings.add_overrides();
    entry.set_host(host);
    entry.set_address("\x7f\x00\x00\x01", 4);
    entry.set_port(port);
}

// The supervisor's process: says what the bench needs over `control`, then works until that ends.
Status supervise(const supervisor::Installation& installation, const ProxySurroundings& at,
                 const std::string& placeholder, int control) {
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    proto::DialerSettings settings;
    lead_home(settings, kBenchHost, at.origin_port);
    lead_home(settings, kBulkHost, at.origin_port);
    const auto host = ANCHORHOLD_TRY(supervisor::WindowHost::start(
        *loop, installation, settings, [](const std::string&, const std::string&) {}));
    const std::string folder = at.folder + "/audit";
    const auto keys = ANCHORHOLD_TRY(supervisor::AuditKeys::open_or_create(folder));
    supervisor::AuditContext context;
    context.sandbox = "bench";
    context.principal = "bench";
    context.policy = "bench";
    supervisor::AuditLog::Options options;
    options.folder = folder;
    const auto log = ANCHORHOLD_TRY(supervisor::AuditLog::open(keys, context, options));
    supervisor::WindowSpec spec;
    spec.sandbox = "bench";
    spec.policy = ANCHORHOLD_TRY(resolved_policy());
    spec.upstream_roots = ANCHORHOLD_TRY(sys::read_file(at.authority, kMaxRoots));
    spec.idle_exit_seconds = 0;
    ANCHORHOLD_TRY(spec.secrets.add("bench-key", kSecret, placeholder));
    supervisor::Window::Handlers handlers;
    handlers.on_event = [](const proto::AuditEvent&) {};
    handlers.on_question = [](const proto::Question&) {};
    handlers.on_failure = [&loop](const std::string&) { loop->stop(); };
    const auto window = ANCHORHOLD_TRY(
        supervisor::Window::open(*loop, *host, *log, std::move(spec), std::move(handlers)));
    const OwnFd egress = window->take_egress_channel();
    const OwnFd notices = window->take_notice_channel();
    ANCHORHOLD_TRY(sys::write_file(at.folder + "/window-root.pem", host->authority().root_pem()));
    const int fd = egress.get();
    ANCHORHOLD_TRY(send_packet(control, "ready", std::span(&fd, 1)));
    ANCHORHOLD_TRY(loop->add(control, EPOLLIN, [&](uint32_t) {
        const auto packet = receive_packet(control);
        if (!packet || !*packet || (*packet)->bytes.empty()) {
            loop->stop();
            return;
        }
        const std::string pids = fmt::format("{} {}", window->proxy_pid(), host->dialer_pid());
        [[maybe_unused]] const Status told = send_packet(control, pids);
    }));
    return loop->run();
}

class WindowContender final : public Contender {
  public:
    WindowContender(pid_t pid, OwnFd control, OwnFd egress, std::string authority,
                    std::string placeholder)
        : pid_(pid),
          control_(std::move(control)),
          egress_(std::move(egress)),
          authority_(std::move(authority)),
          placeholder_(std::move(placeholder)) {}
    ~WindowContender() override {
        egress_.reset();
        control_.reset();
        if (pid_ > 1) {
            ::waitpid(pid_, nullptr, 0);
        }
    }
    [[nodiscard]] std::string name() const override { return "anchorhold"; }
    Result<OwnFd> connect(const std::string& host) override;
    [[nodiscard]] std::string authority() const override { return authority_; }
    [[nodiscard]] std::string authorization() const override { return "Bearer " + placeholder_; }
    Result<std::vector<pid_t>> processes() override;

  private:
    pid_t pid_;
    OwnFd control_;
    OwnFd egress_;
    std::string authority_;
    std::string placeholder_;
};

Result<OwnFd> WindowContender::connect(const std::string& host) {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM));
    proto::GuestStream packet;
    packet.set_guest_port(5000);
    packet.set_host_port(proto::kEgressPort);
    const int fd = theirs.get();
    Status sent = send_packet(egress_.get(), packet.SerializeAsString(), std::span(&fd, 1));
    while (!sent && sent.error().code == EAGAIN) {
        pollfd room{egress_.get(), POLLOUT, 0};
        ::poll(&room, 1, -1);
        sent = send_packet(egress_.get(), packet.SerializeAsString(), std::span(&fd, 1));
    }
    ANCHORHOLD_TRY(std::move(sent));
    proto::StreamOpen claim;
    claim.set_host(host);
    claim.set_port(443);
    std::string frame;
    proto::append_frame(frame, claim);
    ANCHORHOLD_TRY(sys::write_all(ours.get(), frame));
    return std::move(ours);
}

Result<std::vector<pid_t>> WindowContender::processes() {
    ANCHORHOLD_TRY(send_packet(control_.get(), "who"));
    const auto answer = ANCHORHOLD_TRY(receive_packet(control_.get()));
    if (!answer || answer->bytes.empty()) {
        return fail("the window's supervisor ended");
    }
    std::istringstream words(answer->bytes);
    pid_t proxy = -1;
    pid_t dialer = -1;
    words >> proxy >> dialer;
    if (proxy <= 1 || dialer <= 1) {
        return fail("the window has no proxy yet");
    }
    return std::vector<pid_t>{proxy, dialer, pid_};
}

}  // namespace

Result<std::unique_ptr<Contender>> make_window(const supervisor::Installation& installation,
                                               const ProxySurroundings& at) {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET));
    const std::string placeholder = proxy::make_placeholder(kSecret);
    const pid_t pid = ::fork();
    if (pid < 0) {
        return fail_errno("fork");
    }
    if (pid == 0) {
        ours.reset();
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::signal(SIGPIPE, SIG_IGN);
        ::setenv("XDG_STATE_HOME", (at.folder + "/state").c_str(), 1);
        const Status done = supervise(installation, at, placeholder, theirs.get());
        if (!done) {
            fmt::print(stderr, "the window's supervisor: {}\n", done.error().message);
        }
        ::_exit(done ? 0 : 1);
    }
    theirs.reset();
    auto ready = ANCHORHOLD_TRY(receive_packet(ours.get()));
    if (!ready || ready->fds.size() != 1) {
        ::waitpid(pid, nullptr, 0);
        return fail("the window could not be opened");
    }
    return std::make_unique<WindowContender>(pid, std::move(ours), std::move(ready->fds[0]),
                                             at.folder + "/window-root.pem", placeholder);
}

}  // namespace anchorhold::bench
