// As the command line opens a window: keys, log, host, window; then one event loop.
#include "soak/supervisor_main.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <csignal>
#include <cstdio>
#include <filesystem>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "policy/compose.h"
#include "policy/document.h"
#include "proxy/credentials/placeholder.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/audit/audit_log.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/window/window.h"

namespace anchorhold::soak {
namespace {

constexpr const char* kPolicy = R"(
version: 1
kind: grant
name: soak
allow:
  - host: api.example.com
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
  - host: plain.example.com
    protocol: http
    port: 80
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
)";

class SoakSupervisor {
  public:
    explicit SoakSupervisor(SupervisorPlace place) : place_(std::move(place)) {}

    Status open();
    Result<int> run();

  private:
    Result<supervisor::WindowSpec> make_spec() const;
    proto::DialerSettings make_settings() const;
    void replaced(const std::string& process, const std::string& how);
    void receive();
    void tell(const std::string& text, int fd = -1) const;
    void stop();

    SupervisorPlace place_;
    OwnFd soak_{kSoakSocket};
    std::unique_ptr<EventLoop> loop_;
    std::optional<supervisor::AuditKeys> keys_;
    std::unique_ptr<supervisor::AuditLog> log_;
    std::unique_ptr<supervisor::WindowHost> host_;
    std::unique_ptr<supervisor::Window> window_;
    int status_ = 1;
};

Result<supervisor::WindowSpec> SoakSupervisor::make_spec() const {
    supervisor::WindowSpec spec;
    spec.sandbox = kSoakSandbox;
    std::vector<policy::Document> documents;
    documents.push_back(ANCHORHOLD_TRY(policy::parse_document(kPolicy, "soak.yaml")));
    spec.policy = ANCHORHOLD_TRY(policy::compose(std::move(documents)));
    spec.upstream_roots = ANCHORHOLD_TRY(sys::read_file(place_.folder + "/roots.pem"));
    spec.idle_exit_seconds = 0;
    ANCHORHOLD_TRY(spec.secrets.add("api-key", kSoakKey, proxy::make_placeholder(kSoakKey)));
    return spec;
}

proto::DialerSettings SoakSupervisor::make_settings() const {
    proto::DialerSettings settings;
    const auto lead = [&](const char* host, uint16_t port) {
        proto::HostOverride& entry = *settings.add_overrides();
        entry.set_host(host);
        entry.set_address("\x7f\x00\x00\x01", 4);
        entry.set_port(port);
    };
    lead("api.example.com", place_.https_port);
    lead("plain.example.com", place_.http_port);
    return settings;
}

Status SoakSupervisor::open() {
    loop_ = ANCHORHOLD_TRY(EventLoop::create());
    const std::string folder = ANCHORHOLD_TRY(supervisor::default_audit_folder());
    keys_ = ANCHORHOLD_TRY(supervisor::AuditKeys::open_or_create(folder));
    supervisor::AuditContext context;
    context.sandbox = kSoakSandbox;
    context.principal = "soak";
    supervisor::AuditLog::Options options;
    options.folder = folder;
    log_ = ANCHORHOLD_TRY(supervisor::AuditLog::open(*keys_, std::move(context), options));

    supervisor::Installation installation;
    installation.library =
        std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() /
        "lib/anchorhold";
    host_ = ANCHORHOLD_TRY(supervisor::WindowHost::start(
        *loop_, installation, make_settings(),
        [this](const std::string& process, const std::string& how) { replaced(process, how); }));
    supervisor::Window::Handlers handlers;
    handlers.on_event = [](const proto::AuditEvent&) {};
    handlers.on_question = [](const proto::Question&) {};
    handlers.on_failure = [this](const std::string& why) {
        tell("shut " + why);
        status_ = 3;
        loop_->post([this] { loop_->stop(); });
    };
    supervisor::WindowSpec spec = ANCHORHOLD_TRY(make_spec());
    window_ = ANCHORHOLD_TRY(
        supervisor::Window::open(*loop_, *host_, *log_, std::move(spec), std::move(handlers)));
    ANCHORHOLD_TRY(sys::set_nonblocking(soak_.get()));
    ANCHORHOLD_TRY(loop_->add(soak_.get(), EPOLLIN, [this](uint32_t) { receive(); }));
    const OwnFd egress = window_->take_egress_channel();
    tell("ready", egress.get());
    return {};
}

void SoakSupervisor::replaced(const std::string& process, const std::string& how) {
    if (!window_) {
        return;
    }
    proto::AuditEvent event;
    event.mutable_proxy()->set_process(process);
    event.mutable_proxy()->set_change("died: " + how);
    [[maybe_unused]] const Status written = window_->record(std::move(event));
    if (process == "dialer") {
        window_->dialer_replaced();
    }
}

void SoakSupervisor::receive() {
    const auto packet = receive_packet(soak_.get());
    if (packet && !*packet) {
        return;
    }
    if (!packet || (*packet)->bytes.empty()) {
        loop_->stop();  // the soak is gone
        return;
    }
    if ((*packet)->bytes == "pids?") {
        tell(fmt::format("pids {} {} {}", window_->proxy_pid(), host_->zygote_pid(),
                         host_->dialer_pid()));
    } else if ((*packet)->bytes == "stop") {
        loop_->remove(soak_.get());
        window_->drain([this] { stop(); });
    }
}

void SoakSupervisor::stop() {
    window_->close();
    status_ = log_->close() ? 0 : 1;
    loop_->stop();
}

void SoakSupervisor::tell(const std::string& text, int fd) const {
    const Status told =
        send_packet(soak_.get(), text, fd >= 0 ? std::span(&fd, 1) : std::span<const int>());
    if (!told) {
        log::error("{}", told.error().message);
    }
}

Result<int> SoakSupervisor::run() {
    ANCHORHOLD_TRY(loop_->run());
    window_.reset();
    log_.reset();
    host_.reset();
    return status_;
}

}  // namespace

int run_supervisor(const SupervisorPlace& place) {
    log::configure("soak-supervisor", log::Level::kWarning);
    ::signal(SIGPIPE, SIG_IGN);
    SoakSupervisor supervisor(place);
    const Status opened = supervisor.open();
    const auto ended = opened ? supervisor.run() : tl::unexpected(opened.error());
    if (!ended) {
        log::error("{}", ended.error().message);
        return 1;
    }
    return *ended;
}

}  // namespace anchorhold::soak
