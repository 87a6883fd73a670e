// Warm starts by the thousand, where KVM is: restore, run, destroy; VMMs and builders killed at
// random points; and nothing left of any of it. Usage: vm_warm_soak [--cycles N] [--seed N]
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "base/event_loop.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "exec/client.h"
#include "exec/shell_command.h"
#include "soak/processes.h"
#include "supervisor/guest_identity.h"
#include "supervisor/installation.h"
#include "supervisor/sandbox.h"
#include "supervisor/templates/template_builder.h"
#include "supervisor/templates/template_store.h"
#include "vm/anchorhold.h"

namespace anchorhold::soak {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;
using supervisor::Sandbox;
using supervisor::TemplateStore;

constexpr auto kPatience = 300s;  // for one step, on a loaded machine that is emulated twice
constexpr const char* kName = "soak";

struct Options {
    uint64_t cycles = 1000;
    uint64_t seed = 1;
};

// Resident memory of this process, in KiB.
uint64_t resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) {
            return std::strtoull(line.c_str() + 6, nullptr, 10);
        }
    }
    return 0;
}

std::set<std::string> files_below(const std::string& folder) {
    std::set<std::string> files;
    std::error_code failed;
    for (auto it = std::filesystem::recursive_directory_iterator(folder, failed);
         !failed && it != std::filesystem::recursive_directory_iterator(); it.increment(failed)) {
        files.insert(it->path());
    }
    return files;
}

// One sandbox, from its restore to the last of it.
class Cycle {
  public:
    Cycle(EventLoop& loop, const supervisor::Installation& installation)
        : loop_(loop), installation_(installation) {}

    Status begin(const supervisor::OpenTemplate& source) {
        auto identity = ANCHORHOLD_TRY(supervisor::fresh_identity(""));
        sandbox_ = ANCHORHOLD_TRY(
            Sandbox::restore(loop_, installation_,
                             {.start = supervisor::RestoreRequest::Start::kRun,
                              .files = source.files,
                              .identity = std::move(identity),
                              .shell = nullptr},
                             {},
                             {.on_ready = [this] { start(); },
                              .on_end = [this](const std::string& why) { ended_ = why; },
                              .on_console = nullptr}));
        return {};
    }
    // Asked as soon as there is somebody to ask.
    void ask(const std::string& line) { line_ = line; }
    void kill() {
        if (sandbox_ && !ended_) {
            static_cast<void>(kill_program(sandbox_->vmm_pid(), "anchorhold-vmm"));
        }
    }
    void destroy() { sandbox_->destroy(); }
    [[nodiscard]] bool answered() const { return outcome_ || ended_; }
    [[nodiscard]] bool ended() const { return ended_.has_value(); }
    [[nodiscard]] std::string why() const { return ended_.value_or(""); }
    // What the command wrote, when it exited with 0; otherwise how it ended.
    [[nodiscard]] std::string answer() const {
        if (!outcome_) {
            return "no outcome: " + why();
        }
        const auto* exited = std::get_if<exec::Exited>(&*outcome_);
        if (exited == nullptr || exited->code != 0 || exited->signal != 0) {
            return exited == nullptr ? "refused or lost" : "status " + std::to_string(exited->code);
        }
        std::string text(kMaxAnswer, '\0');
        const ssize_t count = ::pread(output_.get(), text.data(), text.size(), 0);
        text.resize(count < 0 ? 0 : static_cast<size_t>(count));
        return text;
    }

  private:
    static constexpr size_t kMaxAnswer = 4096;

    void start() {
        auto output = sys::memfd("output", 0);
        auto stream = sandbox_->open_exec_stream();
        if (!output || !stream) {
            ended_ = "no stream";
            return;
        }
        output_ = std::move(*output);
        client_ = std::make_unique<exec::ExecClient>(
            loop_, std::move(*stream), exec::shell_command(line_),
            exec::Stdio{.in = -1, .out = output_.get(), .err = output_.get()},
            [this](const exec::Outcome& outcome) { outcome_ = outcome; });
    }

    EventLoop& loop_;
    const supervisor::Installation& installation_;
    std::unique_ptr<Sandbox> sandbox_;
    std::unique_ptr<exec::ExecClient> client_;
    std::string line_;
    OwnFd output_;
    std::optional<exec::Outcome> outcome_;
    std::optional<std::string> ended_;
};

class WarmSoak {
  public:
    explicit WarmSoak(Options options)
        : options_(options), random_(options.seed), home_("/tmp/anchorhold-warm-soak-XXXXXX") {}

    bool run() {
        const Status done = go();
        require(done.has_value(), done ? "" : done.error().message);
        std::error_code ignored;
        std::filesystem::remove_all(home_, ignored);
        fmt::print("{}\n", faults_.empty() ? "nothing speaks against warm starts"
                                           : fmt::format("{} FAULTS", faults_.size()));
        return faults_.empty();
    }

  private:
    Status go() {
        if (::mkdtemp(home_.data()) == nullptr) {
            return fail_errno("mkdtemp", home_);
        }
        // Disks of sandboxes and digests of images are below it too.
        ::setenv("XDG_CACHE_HOME", (home_ + "/cache").c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
        ::setenv("XDG_STATE_HOME", (home_ + "/state").c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
        adopt_orphans();
        ::setenv("ANCHORHOLD_LIBRARY", vm_test::library_path().c_str(),
                 0);  // NOLINT(concurrency-mt-unsafe)
        installation_ = ANCHORHOLD_TRY(supervisor::find_installation());
        loop_ = ANCHORHOLD_TRY(EventLoop::create());
        store_ = std::make_unique<TemplateStore>(home_ + "/state/anchorhold/templates");
        ANCHORHOLD_TRY(make("first", std::nullopt));
        ANCHORHOLD_TRY(cycle(0));  // whatever is made once is made now
        const std::set<std::string> files = files_below(home_);
        const size_t descriptors = open_descriptors(::getpid());
        ANCHORHOLD_TRY(restore_all());
        look_for_leftovers(files, descriptors, "cycles");
        ANCHORHOLD_TRY(kill_restores());
        look_for_leftovers(files, descriptors, "killed restores");
        ANCHORHOLD_TRY(kill_builders());
        look_for_leftovers(files, descriptors, "killed builders");
        return {};
    }

    void require(bool condition, const std::string& fault) {
        if (!condition) {
            faults_.push_back(fault);
            fmt::print(stderr, "warm_soak: FAULT: {}\n", fault);
        }
    }

    template <typename Done>
    Status turn_until(Done done, const char* what) {
        const auto until = Steady::now() + kPatience;
        while (!done()) {
            if (Steady::now() > until) {
                return fail(fmt::format("{} did not come within {} s", what, kPatience.count()));
            }
            ANCHORHOLD_TRY(loop_->run_once(1s));
        }
        return {};
    }

    // A template whose file says `mark`; its VMM is killed after `after`, where that is given. An
    // error of the builder is returned.
    Status make(const std::string& mark, std::optional<Duration> after) {
        supervisor::TemplateRequest request;
        request.name = kName;
        request.sandbox.image = "tiny";
        request.sandbox.memory_bytes = uint64_t{64} << 20;
        request.sandbox.disk_bytes = uint64_t{64} << 20;
        request.warm = {exec::shell_command("echo " + mark + " > $HOME/mark")};
        request.probe = exec::shell_command("cat $HOME/mark");
        request.digest_cache = supervisor_digests();
        std::optional<Result<supervisor::TemplateManifest>> done;
        const auto builder = ANCHORHOLD_TRY(supervisor::TemplateBuilder::start(
            *loop_, installation_, *store_, std::move(request),
            {.on_step = nullptr, .on_done = [&](auto manifest) { done = std::move(manifest); }}));
        EventLoop::TimerId timer = 0;
        if (after) {
            timer = loop_->add_timer(*after, [this] { kill_our_vmm(); });
        }
        const Status waited = turn_until([&] { return done.has_value(); }, "a template");
        loop_->cancel_timer(timer);
        ANCHORHOLD_TRY(waited);
        return *done ? Status() : Status(tl::unexpected(done->error()));
    }

    [[nodiscard]] std::string supervisor_digests() const { return home_ + "/cache/digests"; }

    // The builder keeps its VMM to itself: it is our only child of that name.
    static void kill_our_vmm() {
        std::ifstream children(fmt::format("/proc/self/task/{}/children", ::getpid()));
        for (pid_t pid = 0; children >> pid;) {
            static_cast<void>(kill_program(pid, "anchorhold-vmm"));
        }
    }

    Status cycle(uint64_t number) {
        const auto source = ANCHORHOLD_TRY(store_->open(kName, supervisor_digests()));
        Cycle one(*loop_, installation_);
        one.ask(fmt::format(
            "cat $HOME/mark; echo {} | tee $HOME/mine; cat /proc/sys/kernel/random/uuid", number));
        ANCHORHOLD_TRY(one.begin(source));
        ANCHORHOLD_TRY(turn_until([&] { return one.answered(); }, "an answer"));
        const std::string answer = one.answer();
        std::istringstream lines(answer);
        std::string mark;
        std::string said;
        std::string uuid;
        lines >> mark >> said >> uuid;
        require(mark == mark_ && said == std::to_string(number) && uuid.size() == 36,
                fmt::format("cycle {}: '{}' {}", number, answer, one.why()));
        require(uuids_.insert(uuid).second, "a uuid was drawn twice: " + uuid);
        one.destroy();
        return turn_until([&] { return one.ended(); }, "the end");
    }

    Status restore_all() {
        const auto began = Steady::now();
        const uint64_t warm_up = std::min<uint64_t>(options_.cycles / 10 + 1, 50);
        uint64_t memory = 0;
        for (uint64_t i = 1; i <= options_.cycles && faults_.size() < 10; ++i) {
            ANCHORHOLD_TRY(cycle(i));
            if (i == warm_up) {
                memory = resident_kib();
            }
            if (i % std::max<uint64_t>(options_.cycles / 20, 1) == 0) {
                const std::chrono::duration<double> so_far = Steady::now() - began;
                fmt::print("{:>6} cycles, {:.0f} s\n", i, so_far.count());
                std::fflush(stdout);
            }
        }
        const uint64_t after = resident_kib();
        // A page a cycle would be a leak; an allocator's own moods are not.
        const uint64_t cycles = options_.cycles - warm_up;
        require(after <= memory + 2048 + cycles / 2,
                fmt::format("memory grew from {} to {} KiB in {} cycles", memory, after, cycles));
        const std::chrono::duration<double> took = Steady::now() - began;
        fmt::print("{} cycles in {:.1f} s, {:.0f} ms each; resident {} KiB, then {} KiB\n",
                   options_.cycles, took.count(),
                   1000 * took.count() / static_cast<double>(options_.cycles), memory, after);
        return {};
    }

    // Each ends: with its answer, or with the word that its VMM was killed.
    Status kill_restores() {
        const auto source = ANCHORHOLD_TRY(store_->open(kName, supervisor_digests()));
        const uint64_t rounds = std::max<uint64_t>(options_.cycles / 10, 5);
        // How long one takes here and now sets where the kills fall.
        const auto began = Steady::now();
        ANCHORHOLD_TRY(cycle(0));
        const auto usual =
            std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - began);
        uint64_t answered = 0;
        for (uint64_t i = 0; i < rounds; ++i) {
            Cycle one(*loop_, installation_);
            one.ask("cat $HOME/mark");
            ANCHORHOLD_TRY(one.begin(source));
            const EventLoop::TimerId timer = loop_->add_timer(
                std::chrono::microseconds(random_() % static_cast<uint64_t>(usual.count())),
                [&one] { one.kill(); });
            ANCHORHOLD_TRY(turn_until([&] { return one.answered(); }, "an outcome"));
            if (one.answer() == mark_ + "\n") {
                ++answered;
                loop_->cancel_timer(timer);
                one.destroy();
            }
            const Status ended = turn_until([&] { return one.ended(); }, "the end");
            loop_->cancel_timer(timer);
            ANCHORHOLD_TRY(ended);
            require(one.answer() == mark_ + "\n" ||
                        one.why().find("killed by signal 9") != std::string::npos,
                    "a killed restore said: " + one.answer() + " / " + one.why());
        }
        fmt::print("{} restores killed, {} of them after their answer\n", rounds, answered);
        return cycle(0);
    }

    Status kill_builders() {
        const uint64_t rounds = std::max<uint64_t>(options_.cycles / 25, 2);
        const auto began = Steady::now();
        ANCHORHOLD_TRY(make("usual", std::nullopt));
        mark_ = "usual";
        const auto usual =
            std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - began);
        uint64_t published = 0;
        for (uint64_t i = 0; i < rounds; ++i) {
            const auto after =
                std::chrono::microseconds(random_() % static_cast<uint64_t>(usual.count()));
            const std::string mark = fmt::format("mark-{}", i);
            if (i % 2 == 0) {
                const Status made = make(mark, after);
                mark_ = made ? mark : mark_;
                published += made ? 1 : 0;
                require(made || made.error().message.find("soak") != std::string::npos,
                        "an error without the template's name");
            } else {
                ANCHORHOLD_TRY(kill_whole_builder(mark, after));
            }
            require_only_template(i % 2 != 0);
            ANCHORHOLD_TRY(store_->verify(kName, supervisor_digests(), installation_));
            ANCHORHOLD_TRY(cycle(0));
            if (faults_.size() >= 10) {
                break;
            }
        }
        // Whoever begins next cleans up.
        ANCHORHOLD_TRY(store_->begin("next"));
        require_only_template(false);
        fmt::print("{} template builds killed, {} of them had published\n", rounds, published);
        return {};
    }

    // The program itself; what it started has to follow it.
    Status kill_whole_builder(const std::string& mark, std::chrono::microseconds after) {
        const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
        SpawnRequest request;
        request.path = vm_test::program_path();
        request.arguments = {"anchorhold",
                             "template",
                             "create",
                             kName,
                             "--quiet",
                             "--image",
                             "tiny",
                             "-m",
                             "64M",
                             "--disk",
                             "64M",
                             "--warm",
                             "echo " + mark + " > $HOME/mark"};
        request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                               "XDG_CACHE_HOME=" + home_ + "/cache",
                               "XDG_STATE_HOME=" + home_ + "/state", "ANCHORHOLD_IN_MACHINE=1"};
        request.descriptors = {{nothing.get(), 0}, {nothing.get(), 1}, {nothing.get(), 2}};
        request.new_session = true;
        Child builder = ANCHORHOLD_TRY(spawn(request));
        bool due = false;
        loop_->add_timer(after, [&due] { due = true; });
        ANCHORHOLD_TRY(turn_until([&due] { return due; }, "the moment to kill"));
        ANCHORHOLD_TRY(builder.signal(SIGKILL));
        ANCHORHOLD_TRY(builder.wait());
        // Old or new: which one, its manifest says, and a cycle looks whether that is true.
        const auto listed = ANCHORHOLD_TRY(store_->list());
        if (!listed.empty() && listed[0].warm.size() == 1 &&
            listed[0].warm[0].find(mark + " ") != std::string::npos) {
            mark_ = mark;
        }
        return {};
    }

    void require_only_template(bool killed) {
        size_t unfinished = 0;
        for (const auto& entry :
             std::filesystem::directory_iterator(home_ + "/state/anchorhold/templates")) {
            const std::string name = entry.path().filename();
            unfinished += name.starts_with(".new-") ? 1 : 0;
            require(name == kName || (killed && name.starts_with(".new-")),
                    "in the store: " + name);
        }
        require(unfinished <= 1, "more than the last builder's rest");
        const auto listed = store_->list();
        require(listed && listed->size() == 1, "another list than the one template");
    }

    void look_for_leftovers(const std::set<std::string>& files, size_t descriptors,
                            const std::string& after) {
        const auto until = Steady::now() + 30s;
        while (!reap_orphans(-1) && Steady::now() < until) {
            static_cast<void>(loop_->run_once(20ms));
        }
        require(reap_orphans(-1), "processes are left after " + after);
        const size_t now = open_descriptors(::getpid());
        require(now <= descriptors,
                fmt::format("{} descriptors after {}, {} before", now, after, descriptors));
        for (const std::string& file : files_below(home_)) {
            // What an installation keeps for good: its root certificate, digests of images it has
            // read.
            const bool kept = file.find("/state/anchorhold/ca") != std::string::npos ||
                              file.find("/cache/anchorhold/digests") != std::string::npos;
            require(kept || files.contains(file), "left after " + after + ": " + file);
        }
    }

    Options options_;
    std::mt19937_64 random_;
    std::string home_;
    supervisor::Installation installation_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<TemplateStore> store_;
    std::string mark_ = "first";
    std::set<std::string> uuids_;
    std::vector<std::string> faults_;
};

}  // namespace
}  // namespace anchorhold::soak

int main(int argc, char** argv) {
    using namespace anchorhold;
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    soak::Options options;
    for (size_t i = 0; i < arguments.size(); i += 2) {
        if (i + 1 < arguments.size() && arguments[i] == "--cycles") {
            options.cycles = std::max(1ULL, std::stoull(arguments[i + 1]));
        } else if (i + 1 < arguments.size() && arguments[i] == "--seed") {
            options.seed = std::stoull(arguments[i + 1]);
        } else {
            fmt::print(stderr, "vm_warm_soak: write --cycles N or --seed N\n");
            return 2;
        }
    }
    ::signal(SIGPIPE, SIG_IGN);
    return soak::WarmSoak(options).run() ? 0 : 1;
}
