// Many requests through a window whose processes are killed at random moments. At each restart and
// at the end: the audit log verifies, no request reached the upstream before its event was written,
// and nothing is left behind.
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "base/sys.h"
#include "soak/guests.h"
#include "soak/log_index.h"
#include "soak/processes.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/audit/verify.h"
#include "window/stand_in.h"

namespace anchorhold::soak {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr uint64_t kMeanAnswersBetweenKills = 120;
constexpr std::chrono::seconds kLookAfter = 3s;
constexpr int kMostLooks = 20;

struct Options {
    uint64_t requests = 5'000;
    uint64_t seed = std::random_device{}();
    std::string cli;  // the anchorhold whose `audit verify` is asked at the end, too
};

struct Kills {
    uint64_t proxy = 0;
    uint64_t zygote = 0;
    uint64_t dialer = 0;
    uint64_t supervisor = 0;
    uint64_t torn = 0;  // supervisors whose log had half a record put behind it
    [[nodiscard]] uint64_t all() const { return proxy + zygote + dialer + supervisor; }
};

// What an upstream notices.
struct Upstream {
    explicit Upstream(LogIndex& log) : index(log) {}

    bool answer(const window_test::Received& request, window_test::ByteStream& stream) {
        const uint64_t id = id_of(request.head);
        const std::string path = request.head.substr(4, request.head.find(' ', 4) - 4);
        const bool admitted = id != 0 && path.starts_with("/v1/") && index.holds(id);
        const bool has_key =
            request.server_name.empty() || request.head.find(kSoakKey) != std::string::npos;
        {
            const std::lock_guard guard(mutex);
            if (!admitted || !has_key) {
                unwritten.push_back(path);
            }
            if (!received.insert(id).second) {
                ++repeated;
            }
        }
        return stream.write(window_test::ok_answer(path));
    }

    LogIndex& index;
    std::mutex mutex;
    std::set<uint64_t> received;
    std::vector<std::string> unwritten;  // requests that came without an event, or without the key
    uint64_t repeated = 0;               // requests that came twice
};

class Soak {
  public:
    explicit Soak(Options options);
    ~Soak();
    // True: nothing speaks against the window.
    bool run();

  private:
    void require(bool holds, const std::string& what);
    Status start_supervisor();
    Status replace_supervisor();
    Status verify();
    void verify_by_cli();
    Status kill_something();
    Status keep_alive();
    Status wait_for_answers(uint64_t answers);
    void check_quiet();
    void check_record();
    void check_files();
    void print_figures();

    Options options_;
    std::mt19937_64 random_;
    std::string folder_;
    size_t descriptors_before_;
    std::unique_ptr<LogIndex> index_;
    std::unique_ptr<Upstream> upstream_;
    std::unique_ptr<window_test::StandIn> https_;
    std::unique_ptr<window_test::StandIn> http_;
    SupervisorPlace place_;
    std::unique_ptr<SupervisorProcess> supervisor_;
    std::unique_ptr<Guests> guests_;
    Kills kills_;
    uint64_t verified_ = 0;
    std::vector<std::string> shut_;  // windows that were shut for good, and why
    std::vector<std::string> faults_;
    Steady::time_point began_ = Steady::now();
};

Soak::Soak(Options options)
    : options_(std::move(options)),
      random_(options_.seed),
      descriptors_before_(open_descriptors(::getpid())) {
    char name[] = "/tmp/anchorhold-soak-XXXXXX";
    folder_ = ::mkdtemp(name);
    const std::string audit = folder_ + "/anchorhold/audit";
    index_ = std::make_unique<LogIndex>(supervisor::log_path(audit, kSoakSandbox));
    upstream_ = std::make_unique<Upstream>(*index_);
    const auto answer = [this](const window_test::Received& request,
                               window_test::ByteStream& stream) {
        return upstream_->answer(request, stream);
    };
    https_ = std::make_unique<window_test::StandIn>(
        answer, window_test::StandIn::Options{.record = window_test::StandIn::Record::nothing});
    http_ = std::make_unique<window_test::StandIn>(
        answer, window_test::StandIn::Options{.tls = false,
                                              .record = window_test::StandIn::Record::nothing});
    place_ = {folder_, https_->port(), http_->port()};
}

Soak::~Soak() {
    std::filesystem::remove_all(folder_);
}

void Soak::require(bool holds, const std::string& what) {
    if (!holds) {
        faults_.push_back(what);
        fmt::print("FAULT  {}\n", what);
    }
}

Status Soak::start_supervisor() {
    supervisor_ = ANCHORHOLD_TRY(SupervisorProcess::start(place_));
    return {};
}

// The window's streams went with it; the new one's log must hold before a request goes through it.
Status Soak::replace_supervisor() {
    ANCHORHOLD_TRY(start_supervisor());
    ANCHORHOLD_TRY(verify());
    guests_->use(supervisor_->take_egress());
    return {};
}

Status Soak::verify() {
    const std::string folder = folder_ + "/anchorhold/audit";
    const auto signer = ANCHORHOLD_TRY(supervisor::read_public_key(folder + "/.keys/signing.pub"));
    const auto owner = ANCHORHOLD_TRY(supervisor::OwnerKey::read(folder + "/.keys/owner.key"));
    const auto report = ANCHORHOLD_TRY(supervisor::verify_log(
        folder, kSoakSandbox, {.signer = signer, .owner = &owner, .anchors = {}}));
    for (const auto& finding : report.findings) {
        require(false, fmt::format("audit verify: {}", finding.what));
    }
    require(report.macs_checked, "audit verify did not check the MACs");
    ++verified_;
    return {};
}

void Soak::verify_by_cli() {
    if (options_.cli.empty()) {
        return;
    }
    const std::string command =
        fmt::format("XDG_STATE_HOME={} {} audit verify {}", folder_, options_.cli, kSoakSandbox);
    std::fflush(stdout);
    require(std::system(command.c_str()) == 0, "anchorhold audit verify said no");
}

// A supervisor that ended by itself is a fault, unless its window was shut; that is counted.
Status Soak::keep_alive() {
    const auto pids = supervisor_->pids();
    if (pids) {
        return {};
    }
    shut_.push_back(pids.error().message);
    fmt::print("shut   {}\n", pids.error().message);
    supervisor_.reset();
    return replace_supervisor();
}

Status Soak::kill_something() {
    const auto pids = supervisor_->pids();
    if (!pids) {
        return keep_alive();
    }
    // In the middle of whatever is going on a moment later.
    const timespec moment{0, static_cast<long>(random_() % 3'000'000)};
    ::nanosleep(&moment, nullptr);
    const auto kill_proxy = [&] { kills_.proxy += kill_program(pids->proxy, "anchorhold-proxy"); };
    const auto kill_dialer = [&] {
        kills_.dialer += kill_program(pids->dialer, "anchorhold-dialer");
    };
    const uint64_t choice = random_() % 100;
    if (choice < 40) {
        kill_proxy();
    } else if (choice < 60) {
        kill_dialer();
    } else if (choice < 70) {
        kill_proxy();
        kill_dialer();
    } else if (choice < 85) {
        kills_.zygote += kill_program(pids->zygote, "anchorhold-proxy");
    } else {
        ANCHORHOLD_TRY(supervisor_->kill());
        ++kills_.supervisor;
        if (random_() % 3 == 0) {
            ++kills_.torn;
            const std::string path =
                supervisor::log_path(folder_ + "/anchorhold/audit", kSoakSandbox);
            std::ofstream(path, std::ios::app) << R"({"n":1,"time":"2026-01-0)";
        }
        ANCHORHOLD_TRY(replace_supervisor());
    }
    reap_orphans(supervisor_->pid());
    return {};
}

// Where nothing is answered, the supervisor is asked whether its window still is open.
Status Soak::wait_for_answers(uint64_t answers) {
    for (int i = 0; i < kMostLooks; ++i) {
        if (guests_->wait_for_answers(answers, kLookAfter)) {
            return {};
        }
        ANCHORHOLD_TRY(keep_alive());
    }
    return fail(fmt::format("no request was answered for {} s, after {} of them",
                            (kMostLooks * kLookAfter).count(), guests_->tally().answered));
}

bool Soak::run() {
    fmt::print("{} requests, seed {}\n", options_.requests, options_.seed);
    std::ofstream(folder_ + "/roots.pem") << https_->root_pem();
    adopt_orphans();
    const auto done = [&]() -> Status {
        ANCHORHOLD_TRY(start_supervisor());
        const std::string root =
            ANCHORHOLD_TRY(sys::read_file(folder_ + "/anchorhold/ca/root.pem"));
        guests_ = std::make_unique<Guests>(root, options_.seed, Guests::Counts());
        guests_->use(supervisor_->take_egress());
        uint64_t next = 1;
        uint64_t next_print = options_.requests / 20;
        while (next < options_.requests) {
            ANCHORHOLD_TRY(wait_for_answers(next));
            ANCHORHOLD_TRY(kill_something());
            const uint64_t answered = guests_->tally().answered;
            next = answered + 1 + random_() % (2 * kMeanAnswersBetweenKills);
            if (answered >= next_print) {
                next_print += options_.requests / 20;
                fmt::print("{:>7} answered, {:>4} kills, {} s\n", answered, kills_.all(),
                           std::chrono::duration_cast<std::chrono::seconds>(Steady::now() - began_)
                               .count());
                std::fflush(stdout);
            }
        }
        return wait_for_answers(options_.requests);
    }();
    require(done.has_value(), done ? "" : done.error().message);
    if (supervisor_ && guests_) {
        guests_->stop();
        check_quiet();
        check_record();
        check_files();
    }
    print_figures();
    return faults_.empty();
}

// Every stream has ended: what processes hold now, they would hold for ever.
void Soak::check_quiet() {
    const auto pids = supervisor_->pids();
    require(pids.has_value(), pids ? "" : "the last supervisor: " + pids.error().message);
    if (!pids) {
        return;
    }
    struct Bound {
        const char* name;
        pid_t pid;
        size_t most;
    };
    const Bound bounds[] = {{"supervisor", supervisor_->pid(), 24},
                            {"zygote", pids->zygote, 5},
                            {"dialer", pids->dialer, 16},
                            {"proxy", pids->proxy, 12}};
    for (const Bound& bound : bounds) {
        size_t open = bound.pid > 1 ? open_descriptors(bound.pid) : 0;
        const auto until = Steady::now() + 10s;
        while (open > bound.most && Steady::now() < until) {
            const timespec moment{0, 10'000'000};
            ::nanosleep(&moment, nullptr);
            open = open_descriptors(bound.pid);
        }
        fmt::print("{} holds {} descriptors\n", bound.name, open);
        require(open <= bound.most, fmt::format("the {} holds {} descriptors", bound.name, open));
    }
    const auto ended = supervisor_->stop();
    require(ended && ended->signal == 0 && ended->code == 0,
            "the last supervisor did not end in peace");
    bool none = reap_orphans(-1);
    for (const auto until = Steady::now() + 10s; !none && Steady::now() < until;) {
        const timespec moment{0, 10'000'000};
        ::nanosleep(&moment, nullptr);
        none = reap_orphans(-1);
    }
    require(none, "a process was left behind");
}

void Soak::check_record() {
    if (const Status verified = verify(); !verified) {
        require(false, verified.error().message);
    }
    verify_by_cli();
    const std::lock_guard guard(upstream_->mutex);
    for (const std::string& path : upstream_->unwritten) {
        require(false, "reached the upstream without its event or key: " + path);
    }
    for (const uint64_t id : upstream_->received) {
        require(index_->holds(id), fmt::format("request {} is not in the log", id));
    }
    require(index_->losses() == 0, "the log says that records are gone");
    require(index_->repairs() >= kills_.torn, "a torn line was not repaired");
    const Tally tally = guests_->tally();
    require(tally.wrong == 0, "a guest got an answer that was not its own");
    require(tally.stalled == 0, "a request was neither answered nor cut");
    require(shut_.empty(), "a window was shut for good");
}

void Soak::check_files() {
    const std::string audit = folder_ + "/anchorhold/audit";
    uint64_t cuts = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
        static const std::set<std::string> kKnown = {
            "roots.pem", "root.pem", "root.key", "signing.key", "signing.pub",
            "owner.key", "owner.id", "next-log", "log.jsonl",   "state"};
        const std::string name = entry.path().filename();
        const bool cut = name.starts_with("cut-behind-");
        cuts += cut ? 1 : 0;
        require(entry.is_directory() || cut || kKnown.contains(name),
                "a file was left behind: " + entry.path().string());
    }
    require(cuts <= index_->repairs(), "more torn lines are kept than were cut");
}

void Soak::print_figures() {
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - began_).count();
    const Tally tally = guests_ ? guests_->tally() : Tally();
    fmt::print(
        "answered {} · denied by policy {} · refused {} · cut {} · no session {} · stalled {} · "
        "wrong {}\n",
        tally.answered, tally.forbidden, tally.refused, tally.cut, tally.unopened, tally.stalled,
        tally.wrong);
    fmt::print("reached the upstream {} (twice {}), admitted twice {}\n",
               upstream_->received.size(), upstream_->repeated, index_->repeated());
    fmt::print("killed: proxy {}, zygote {}, dialer {}, supervisor {} ({} with a torn line)\n",
               kills_.proxy, kills_.zygote, kills_.dialer, kills_.supervisor, kills_.torn);
    fmt::print("windows shut {} · logs verified {} · torn lines repaired {} · {}.{:03} s\n",
               shut_.size(), verified_, index_->repairs(), took / 1000, took % 1000);
    guests_.reset();
    supervisor_.reset();
    https_.reset();
    http_.reset();
    index_.reset();
    const size_t after = open_descriptors(::getpid());
    require(after <= descriptors_before_,
            fmt::format("the soak itself holds {} descriptors more than before",
                        after - std::min(after, descriptors_before_)));
    fmt::print("{}\n", faults_.empty() ? "nothing speaks against the window"
                                       : fmt::format("{} FAULTS", faults_.size()));
}

}  // namespace
}  // namespace anchorhold::soak

int main(int argc, char** argv) {
    using namespace anchorhold;
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() == 4 && arguments[0] == "supervise") {
        return soak::run_supervisor({.folder = arguments[1],
                                     .https_port = static_cast<uint16_t>(std::stoi(arguments[2])),
                                     .http_port = static_cast<uint16_t>(std::stoi(arguments[3]))});
    }
    soak::Options options;
    for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
        if (arguments[i] == "--requests") {
            options.requests = std::stoull(arguments[i + 1]);
        } else if (arguments[i] == "--seed") {
            options.seed = std::stoull(arguments[i + 1]);
        } else if (arguments[i] == "--cli") {
            options.cli = arguments[i + 1];
        } else {
            fmt::print(stderr, "window_soak: unknown option {}\n", arguments[i]);
            return 2;
        }
    }
    ::signal(SIGPIPE, SIG_IGN);
    return soak::Soak(std::move(options)).run() ? 0 : 1;
}
