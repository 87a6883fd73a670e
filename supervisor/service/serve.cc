// Prepare, recover, listen, run.
#include "supervisor/service/serve.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "base/log.h"
#include "base/private_folder.h"
#include "base/sys.h"
#include "base/unix_socket.h"
#include "supervisor/service/api.h"
#include "supervisor/service/http_server.h"
#include "supervisor/service/keeper_link.h"
#include "supervisor/service/notify.h"
#include "supervisor/service/record_store.h"
#include "supervisor/service/runs.h"
#include "supervisor/service/sandboxes.h"
#include "supervisor/service/starter.h"

namespace anchorhold::service {
namespace {

Result<OwnFd> termination_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT}) {
        sigaddset(&signals, number);
    }
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGHUP, SIG_IGN);
    OwnFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) {
        return fail_errno("signalfd");
    }
    return fd;
}

// A socket that somebody answers on is not ours to replace.
Status check_unused(const std::string& socket) {
    if (connect_unix(socket, SOCK_STREAM)) {
        return fail(socket + ": another anchorhold serve listens there", EBUSY);
    }
    return {};
}

// Everything, in the order in which one part needs the other.
class Service {
  public:
    Service(EventLoop& loop, const supervisor::Installation& installation,
            const ServeOptions& options)
        : loop_(loop), installation_(installation), options_(options) {}

    Status start(const ServeMakers& makers) {
        // First: it seals the process before anything in it uses OpenSSL.
        windows_ = ANCHORHOLD_TRY(makers.windows(loop_));
        ANCHORHOLD_TRY(make_private_folders(options_.state_folder));
        ANCHORHOLD_TRY(make_private_folders(folder_of(options_.socket)));
        store_ = ANCHORHOLD_TRY(RecordStore::open(options_.state_folder + "/sandboxes", steps_));
        ANCHORHOLD_TRY(check_unused(options_.socket));
        keeper_ = ANCHORHOLD_TRY(
            KeeperLink::connect(loop_, {.program = installation_.library + "/anchorhold-keeper",
                                        .socket = options_.socket + ".keeper",
                                        .patience_seconds = options_.keeper_patience_seconds}));
        engine_ = makers.engine(loop_);
        pools_ = std::make_unique<Pools>(Pools::Parts{loop_, *engine_, metrics_, steps_,
                                                      options_.state_folder + "/pools.json",
                                                      options_.pool_limits, host_available_bytes});
        starter_ = std::make_unique<Starter>(loop_, *engine_, *pools_, metrics_);
        sandboxes_ = std::make_unique<Sandboxes>(
            Sandboxes::Parts{loop_, *engine_, *starter_, *pools_, *store_, *keeper_, *windows_,
                             metrics_, [] { return static_cast<int64_t>(::time(nullptr)); }});
        runs_ =
            std::make_unique<Runs>(Runs::Parts{loop_, *engine_, *starter_, *windows_, metrics_});
        api_ = std::make_unique<Api>(
            Api::Parts{*sandboxes_, *runs_, *pools_, metrics_, options_.version});
        ANCHORHOLD_TRY(sandboxes_->recover());
        keeper_->on_replaced([this] { sandboxes_->hold_all(); });

        OwnFd listener = ANCHORHOLD_TRY(listen_unix(options_.socket, SOCK_STREAM));
        server_ = ANCHORHOLD_TRY(HttpServer::create(
            loop_, std::move(listener), [this](const HttpRequest& request, Respond respond) {
                api_->handle(request, std::move(respond));
            }));
        return pools_->load();
    }

    void stop() {
        if (std::exchange(stopping_, true)) {
            loop_.stop();  // asked twice: at once
            return;
        }
        server_->stop_listening();
        ::unlink(options_.socket.c_str());
        pools_->stop();
        if (options_.on_exit == ServeOptions::OnExit::keep) {
            sandboxes_->let_go_all();
            loop_.stop();
        } else {
            sandboxes_->stop_all([this] { loop_.stop(); });
        }
    }

  private:
    static std::string folder_of(const std::string& path) {
        const size_t slash = path.rfind('/');
        return slash == std::string::npos ? "." : path.substr(0, slash);
    }

    EventLoop& loop_;
    const supervisor::Installation& installation_;
    const ServeOptions& options_;
    FileSteps steps_;
    Metrics metrics_;
    std::unique_ptr<RecordStore> store_;
    std::unique_ptr<KeeperLink> keeper_;
    std::unique_ptr<SandboxEngine> engine_;
    std::unique_ptr<Windows> windows_;
    std::unique_ptr<Pools> pools_;
    std::unique_ptr<Starter> starter_;
    std::unique_ptr<Sandboxes> sandboxes_;
    std::unique_ptr<Runs> runs_;
    std::unique_ptr<Api> api_;
    std::unique_ptr<HttpServer> server_;
    bool stopping_ = false;
};

}  // namespace

std::string default_socket() {
    const char* const set = std::getenv("ANCHORHOLD_SOCKET");  // NOLINT(concurrency-mt-unsafe)
    return set != nullptr && *set != '\0' ? std::string(set)
                                          : runtime_folder_path() + "/anchorhold.sock";
}

Status serve(const supervisor::Installation& installation, const ServeOptions& options,
             const ServeMakers& makers) {
    const OwnFd signals = ANCHORHOLD_TRY(termination_signals());
    const std::unique_ptr<EventLoop> loop = ANCHORHOLD_TRY(EventLoop::create());
    Service service(*loop, installation, options);
    ANCHORHOLD_TRY(service.start(makers));
    ANCHORHOLD_TRY(loop->add(signals.get(), EPOLLIN, [&](uint32_t) {
        signalfd_siginfo signal{};
        while (::read(signals.get(), &signal, sizeof signal) > 0) {
        }
        notify_starter("STOPPING=1");
        service.stop();
    }));
    log::info("serving at {}", options.socket);
    notify_starter("READY=1");
    return loop->run();
}

}  // namespace anchorhold::service
