// The supervisor's half runs as it would in the CLI: one event loop, one thread.
#include "window/fixture.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "policy/compose.h"
#include "policy/document.h"
#include "proto/frame.h"
#include "proto/ports.h"
#include "proto/vmm_control.pb.h"
#include "proxy/credentials/placeholder.h"

namespace anchorhold::window_test {
namespace {

using namespace std::chrono_literals;

proto::ResolvedPolicy compose_all(const std::vector<std::string>& texts) {
    std::vector<policy::Document> documents;
    for (size_t i = 0; i < texts.size(); ++i) {
        auto document =
            policy::parse_document(texts[i], "policy-" + std::to_string(i + 1) + ".yaml");
        EXPECT_TRUE(document) << document.error().message;
        documents.push_back(std::move(*document));
    }
    auto composed = policy::compose(std::move(documents));
    EXPECT_TRUE(composed) << composed.error().message;
    return std::move(*composed);
}

// The programs stand beside the tests' folder: <build>/tests and <build>/lib/anchorhold.
std::string library_folder() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() /
           "lib/anchorhold";
}

}  // namespace

TestWindow::TestWindow(const WindowOptions& options) {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/anchorhold-window-XXXXXX";
    folder_ = ::mkdtemp(name);
    audit_folder_ = folder_ + "/audit";
    ::setenv("XDG_STATE_HOME", folder_.c_str(), 1);
    std::unique_lock lock(mutex_);
    thread_ = std::thread([this, options] { run(options); });
    written_.wait(lock, [this] { return ready_; });
}

TestWindow::~TestWindow() {
    if (loop_) {
        loop_->post([this] { loop_->stop(); });
    }
    thread_.join();
    EXPECT_EQ(failure_, "");
    std::filesystem::remove_all(folder_);
}

void TestWindow::run(const WindowOptions& options) {
    loop_ = EventLoop::create().value();
    supervisor::Installation installation;
    installation.library = library_folder();
    proto::DialerSettings settings;
    for (const auto& [host, port] : options.hosts) {
        proto::HostOverride& entry = *settings.add_overrides();
        entry.set_host(host);
        entry.set_address("\x7f\x00\x00\x01", 4);
        entry.set_port(port);
    }
    for (const auto& [host, address] : options.addresses) {
        proto::HostOverride& entry = *settings.add_overrides();
        entry.set_host(host);
        entry.set_address(address);
    }
    host_ = supervisor::WindowHost::start(*loop_, installation, settings,
                                          [this](const std::string& process, const std::string&) {
                                              if (process == "dialer" && window_) {
                                                  window_->dialer_replaced();
                                              }
                                          })
                .value();
    const auto keys = supervisor::AuditKeys::open_or_create(audit_folder_).value();
    supervisor::AuditContext context;
    context.sandbox = "test";
    context.principal = "tester";
    context.policy = "digest";
    supervisor::AuditLog::Options log_options;
    log_options.folder = audit_folder_;
    log_ = supervisor::AuditLog::open(keys, context, log_options).value();
    supervisor::WindowSpec spec;
    spec.sandbox = "test";
    spec.policy = compose_all(options.policies);
    spec.upstream_roots = options.upstream_roots;
    spec.idle_exit_seconds = options.idle_exit_seconds;
    for (const auto& [secret_name, value] : options.secrets) {
        placeholders_[secret_name] = proxy::make_placeholder(value);
        EXPECT_TRUE(spec.secrets.add(secret_name, value, placeholders_[secret_name]));
    }
    supervisor::Window::Handlers handlers;
    handlers.on_event = [this](const proto::AuditEvent& event) {
        const std::lock_guard guard(mutex_);
        events_.push_back(event);
        written_.notify_all();
    };
    handlers.on_question = [this, answer = options.answer](const proto::Question& question) {
        if (answer) {
            window_->answer(question.id(), answer(question));
        }
    };
    handlers.on_failure = [this](const std::string& why) {
        const std::lock_guard guard(mutex_);
        failure_ = why;
        written_.notify_all();
    };
    window_ = supervisor::Window::open(*loop_, *host_, *log_, std::move(spec), std::move(handlers))
                  .value();
    egress_ = window_->take_egress_channel();
    notices_ = window_->take_notice_channel();
    root_pem_ = host_->authority().root_pem();
    {
        const std::lock_guard guard(mutex_);
        ready_ = true;
        written_.notify_all();
    }
    EXPECT_TRUE(loop_->run());
    window_.reset();
    EXPECT_TRUE(log_->close());
    log_.reset();
    host_.reset();
}

std::unique_ptr<GuestStream> TestWindow::open_raw() {
    return open_on(egress_.get(), proto::kEgressPort);
}

std::unique_ptr<GuestStream> TestWindow::open_notices() {
    return open_on(notices_.get(), proto::kNoticePort);
}

std::unique_ptr<GuestStream> TestWindow::open_on(int channel, uint32_t port) {
    auto [ours, theirs] = sys::socket_pair(SOCK_STREAM).value();
    proto::GuestStream packet;
    packet.set_guest_port(5000);
    packet.set_host_port(port);
    const int fd = theirs.get();
    // Few packets fit the channel; a proxy that is being started takes none yet.
    Status sent = send_packet(channel, packet.SerializeAsString(), std::span(&fd, 1));
    while (!sent && sent.error().code == EAGAIN) {
        pollfd room{channel, POLLOUT, 0};
        ::poll(&room, 1, -1);
        sent = send_packet(channel, packet.SerializeAsString(), std::span(&fd, 1));
    }
    EXPECT_TRUE(sent) << sent.error().message;
    return std::make_unique<GuestStream>(std::move(ours));
}

std::unique_ptr<GuestStream> TestWindow::open(const proto::StreamOpen& claim) {
    auto stream = open_raw();
    std::string frame;
    proto::append_frame(frame, claim);
    stream->write(frame);
    return stream;
}

std::unique_ptr<GuestStream> TestWindow::open_tls(const std::string& host, uint16_t port) {
    auto stream = open(host, port);
    EXPECT_EQ(stream->start_tls(host, root_pem_), "");
    return stream;
}

HttpAnswer TestWindow::ask(const std::string& host, const std::string& request, uint16_t port) {
    const auto stream = open_tls(host, port);
    stream->write(request);
    std::string buffer;
    return read_answer(*stream, buffer, request.starts_with("HEAD "));
}

std::string TestWindow::placeholder(const std::string& secret) const {
    return placeholders_.at(secret);
}

proto::AuditEvent TestWindow::wait_for(
    const std::function<bool(const proto::AuditEvent&)>& matches) {
    std::unique_lock lock(mutex_);
    proto::AuditEvent found;
    const bool seen = written_.wait_for(lock, 20s, [&] {
        for (const proto::AuditEvent& event : events_) {
            if (matches(event)) {
                found = event;
                return true;
            }
        }
        return false;
    });
    if (!seen) {
        std::string all;
        for (const proto::AuditEvent& event : events_) {
            all +=
                event.SerializeAsString().size() > 0 ? std::to_string(event.what_case()) + " " : "";
            if (event.has_decision()) {
                all += event.decision().reason() + ": " + event.decision().detail() + "; ";
            }
        }
        ADD_FAILURE() << "the event did not come; there were: " << all;
    }
    return found;
}

proto::RequestDecided TestWindow::wait_for_denial(const std::string& reason) {
    return wait_for([&](const proto::AuditEvent& event) {
               return event.has_decision() &&
                      event.decision().verdict() == proto::RequestDecided::DENY &&
                      event.decision().reason() == reason;
           })
        .decision();
}

std::vector<proto::AuditEvent> TestWindow::events() {
    const std::lock_guard guard(mutex_);
    return events_;
}

std::string TestWindow::log_text() {
    std::ifstream file(log_->path());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void TestWindow::break_log() {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 1;
    ::setrlimit(RLIMIT_FSIZE, &limit);
}

std::string TestWindow::wait_for_failure() {
    std::unique_lock lock(mutex_);
    written_.wait_for(lock, 20s, [this] { return !failure_.empty(); });
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return std::exchange(failure_, {});
}

void TestWindow::on_loop(const std::function<void()>& task) {
    std::mutex done_mutex;
    std::condition_variable done;
    bool finished = false;
    loop_->post([&] {
        task();
        const std::lock_guard guard(done_mutex);
        finished = true;
        done.notify_all();
    });
    std::unique_lock lock(done_mutex);
    done.wait(lock, [&] { return finished; });
}

pid_t TestWindow::proxy_pid() {
    pid_t pid = -1;
    on_loop([&] { pid = window_->proxy_pid(); });
    return pid;
}

pid_t TestWindow::dialer_pid() {
    pid_t pid = -1;
    on_loop([&] { pid = host_->dialer_pid(); });
    return pid;
}

pid_t TestWindow::zygote_pid() {
    pid_t pid = -1;
    on_loop([&] { pid = host_->zygote_pid(); });
    return pid;
}

}  // namespace anchorhold::window_test
