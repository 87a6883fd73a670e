// One operation, one kill, then everything is compared with what may be.
#include "soak/kill_rounds.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "soak/guest_look.h"
#include "soak/kill_judge.h"
#include "soak/kill_plan.h"
#include "soak/processes.h"

namespace anchorhold::soak {
namespace {

using Steady = std::chrono::steady_clock;
using Microseconds = std::chrono::microseconds;

constexpr int kMeasured = 2;             // operations without a kill, to know how long one takes
constexpr size_t kMoreDescriptors = 12;  // than a service had when it was young

class KillRounds {
  public:
    KillRounds(std::string folder, uint64_t kills, uint64_t seed, Faults& faults)
        : folder_(std::move(folder)), wanted_(kills), seed_(seed), random_(seed), faults_(faults) {}

    Result<KillFigures> run();

  private:
    Status begin();
    Status measure(Operation operation);
    Status round();
    Status end();

    // What must succeed, outside the operation that is cut; an error ends the soak.
    Status must(const std::string& method, const std::string& target, const std::string& body = {});
    Status make_subject();
    Status prepare(const KillPlan& plan);
    Result<AskedService> send(const KillPlan& plan);
    std::optional<Killed> kill(const KillPlan& plan);
    Status start_again();

    void look_at_host();
    Status remove_others();

    static double seconds_since(Steady::time_point began) {
        return std::chrono::duration<double>(Steady::now() - began).count();
    }

    std::string folder_;
    uint64_t wanted_;
    uint64_t seed_;
    std::mt19937_64 random_;
    Faults& faults_;
    std::unique_ptr<ServiceProcess> service_;
    size_t descriptors_ = 0;  // of this life of the service, when it was young
    Microseconds start_takes_{0};
    OperationTimes takes_;
    uint64_t number_ = 0;
    Subject subject_;
    pid_t awake_vmm_ = -1;
    KillFigures figures_;
};

Status KillRounds::must(const std::string& method, const std::string& target,
                        const std::string& body) {
    const ServiceAnswer answer = ANCHORHOLD_TRY(service_->ask(method, target, body));
    const std::string what =
        fmt::format("{} {} was answered with {}", method, target, answer.text());
    faults_.require(answer.good(), what);
    return answer.good() ? Status() : Status(fail("the soak cannot go on: " + what));
}

Status KillRounds::make_subject() {
    subject_ = {};
    return must("POST", "/v1/sandboxes",
                fmt::format(R"({{"name":"{}","template":"{}","policies":["{}"]}})", kSubject,
                            kTemplate, policy_path(folder_)));
}

Status KillRounds::begin() {
    faults_.at("before the kills");
    service_ = ANCHORHOLD_TRY(ServiceProcess::start(folder_));
    for (const char* name : {kAwake, kAsleep}) {
        ANCHORHOLD_TRY(must("POST", "/v1/sandboxes",
                            fmt::format(R"({{"name":"{}","template":"{}"}})", name, kTemplate)));
    }
    ANCHORHOLD_TRY(service_->run_in(kAwake, write_words(kAwakeWord)));
    ANCHORHOLD_TRY(service_->run_in(kAsleep, write_words(kAsleepWord)));
    ANCHORHOLD_TRY(must("POST", fmt::format("/v1/sandboxes/{}/hibernate", kAsleep)));
    ANCHORHOLD_TRY(make_subject());
    for (const Operation operation : kOperations) {
        ANCHORHOLD_TRY(measure(operation));
    }
    // Also how long a start takes, for kills of one.
    ANCHORHOLD_TRY(service_->kill());
    const auto began = Steady::now();
    service_ = ANCHORHOLD_TRY(ServiceProcess::start(folder_));
    start_takes_ = std::chrono::duration_cast<Microseconds>(Steady::now() - began);
    std::string text;
    for (const auto& [operation, takes] : takes_) {
        text += fmt::format("{} {} ms, ", to_text(operation), takes.count() / 1000);
    }
    fmt::print("without kills: {}start {} ms\n", text, start_takes_.count() / 1000);
    std::fflush(stdout);
    return {};
}

Status KillRounds::measure(Operation operation) {
    Microseconds all{0};
    for (int i = 0; i < kMeasured; ++i) {
        KillPlan plan;
        plan.operation = operation;
        plan.name = fmt::format("measured-{}", i);
        faults_.at(fmt::format("{} without a kill", to_text(operation)));
        ANCHORHOLD_TRY(prepare(plan));
        const auto began = Steady::now();
        AskedService asked = ANCHORHOLD_TRY(send(plan));
        auto answer = ANCHORHOLD_TRY(asked.answer());
        all += std::chrono::duration_cast<Microseconds>(Steady::now() - began);
        Views views = ANCHORHOLD_TRY(settled_views(*service_));
        KillJudge judge(*service_, faults_, subject_);
        judge.judge(plan, answer, std::nullopt, views);
        judge.end_run(plan, std::move(answer));
        ANCHORHOLD_TRY(remove_others());
        look_at_host();
    }
    takes_[operation] = all / kMeasured;
    return {};
}

// The subject is as the operation wants it, with new words.
Status KillRounds::prepare(const KillPlan& plan) {
    subject_.word = fmt::format("word-{}-{}", number_, plan.name);
    ANCHORHOLD_TRY(service_->run_in(kSubject, write_words(subject_.word)));
    if (plan.victim == Victim::window) {
        judge_window(*service_, faults_, kSubject);  // with it there is a proxy
    }
    if (plan.operation == Operation::resume) {
        ANCHORHOLD_TRY(must("POST", fmt::format("/v1/sandboxes/{}/hibernate", kSubject)));
    }
    const Views views = ANCHORHOLD_TRY(settled_views(*service_));
    subject_.vmm = views.at(kSubject).value("pid", -1);
    awake_vmm_ = views.at(kAwake).value("pid", -1);
    return {};
}

Result<AskedService> KillRounds::send(const KillPlan& plan) {
    switch (plan.operation) {
        case Operation::create:
            return service_->send(
                "POST", "/v1/sandboxes",
                fmt::format(R"({{"name":"{}","image":"tiny","memory_bytes":67108864}})",
                            plan.name));
        case Operation::create_from:
            return service_->send(
                "POST", "/v1/sandboxes",
                fmt::format(R"({{"name":"{}","template":"{}"{}}})", plan.name, kTemplate,
                            plan.has_window
                                ? fmt::format(R"(,"policies":["{}"])", policy_path(folder_))
                                : ""));
        case Operation::run_from:
            return service_->send("POST", "/v1/run",
                                  fmt::format(R"({{"template":"{}"}})", kTemplate));
        case Operation::hibernate:
        case Operation::resume:
            return service_->send(
                "POST", fmt::format("/v1/sandboxes/{}/{}", kSubject, to_text(plan.operation)));
        case Operation::fork:
            return service_->send("POST", fmt::format("/v1/sandboxes/{}/fork", kSubject),
                                  fmt::format(R"({{"count":{}}})", kForks));
    }
    return fail("no such operation");
}

std::optional<Killed> KillRounds::kill(const KillPlan& plan) {
    if (plan.victim == Victim::service) {
        const pid_t pid = service_->pid();
        return service_->kill() ? std::optional(Killed{"anchorhold", pid}) : std::nullopt;
    }
    std::vector<Killed> choice;
    auto processes = processes_below_us(service_->pid());
    for (const std::string& program : programs_of(plan.victim)) {
        for (const pid_t pid : processes[program]) {
            if (pid != awake_vmm_) {
                choice.push_back({program, pid});
            }
        }
    }
    if (choice.empty()) {
        return std::nullopt;
    }
    Killed chosen = choice[random_() % choice.size()];
    return kill_program(chosen.pid, chosen.program) ? std::optional(std::move(chosen))
                                                    : std::nullopt;
}

// Sometimes it is killed once more while it cleans up.
Status KillRounds::start_again() {
    while (random_() % 4 == 0) {
        const auto young = ANCHORHOLD_TRY(ServiceProcess::launch(folder_));
        const auto wait = static_cast<long>(
            random_() % static_cast<uint64_t>(std::max<int64_t>(start_takes_.count(), 1)));
        const timespec moment{wait / 1'000'000, wait % 1'000'000 * 1000};
        ::nanosleep(&moment, nullptr);
        ANCHORHOLD_TRY(young->kill());
        ++figures_.restart_kills;
    }
    service_ = ANCHORHOLD_TRY(ServiceProcess::start(folder_));
    descriptors_ = 0;
    return {};
}

Status KillRounds::round() {
    ++number_;
    const KillPlan plan = draw_plan(random_, takes_, number_);
    faults_.at(
        fmt::format("seed {}, round {}: preparing {}", seed_, number_, to_text(plan.operation)));
    ANCHORHOLD_TRY(prepare(plan));
    AskedService asked = ANCHORHOLD_TRY(send(plan));
    const timespec moment{plan.after.count() / 1'000'000, plan.after.count() % 1'000'000 * 1000};
    ::nanosleep(&moment, nullptr);
    const auto killed = kill(plan);
    const std::string program = killed ? killed->program : "nothing";
    faults_.at(fmt::format(
        "seed {}, round {}: {}{}, {} killed {:.1f} ms after it was asked for "
        "(it takes {:.1f} ms)",
        seed_, number_, to_text(plan.operation), plan.has_window ? " with a window" : "", program,
        static_cast<double>(plan.after.count()) / 1000,
        static_cast<double>(takes_[plan.operation].count()) / 1000));
    if (killed) {
        ++figures_.kills;
        ++figures_.by_operation[to_text(plan.operation)];
        ++figures_.by_process[program];
    } else {
        ++figures_.missed;
    }
    const size_t faults_before = faults_.count();
    auto answer = ANCHORHOLD_TRY(asked.answer());
    const std::string answered = answer ? answer->text() : "none";
    figures_.answered += answer && answer->good() ? 1 : 0;
    figures_.refused += answer && !answer->good() ? 1 : 0;
    figures_.unanswered += answer ? 0 : 1;
    if (plan.victim == Victim::service) {
        ANCHORHOLD_TRY(start_again());
    }
    Views views = ANCHORHOLD_TRY(settled_views(*service_, killed && plan.victim == Victim::vmm
                                                              ? std::optional(killed->pid)
                                                              : std::nullopt));
    KillJudge judge(*service_, faults_, subject_);
    judge.judge(plan, answer, killed, views);
    if (number_ % 10 == 0) {
        const std::set<std::string> names = ANCHORHOLD_TRY(names_of_ps(folder_));
        std::set<std::string> listed;
        for (const auto& [name, view] : views) {
            listed.insert(name);
        }
        faults_.require(names == listed, "ps --json shows others than the service has");
    }
    judge.end_run(plan, std::move(answer));
    ANCHORHOLD_TRY(remove_others());
    look_at_host();
    if (faults_.count() != faults_before) {
        fmt::print("the answer was {}; the service's last words:\n{}", answered, log_end(folder_));
        std::fflush(stdout);
        ANCHORHOLD_TRY(must("DELETE", fmt::format("/v1/sandboxes/{}?force=true", kSubject)));
        ANCHORHOLD_TRY(make_subject());
    }
    return {};
}

void KillRounds::look_at_host() {
    const auto views = settled_views(*service_);
    if (!faults_.require(views.has_value(), views ? "" : views.error().message)) {
        return;
    }
    const std::string text = differences(folder_, *service_, *views);
    faults_.require(text.empty(), text);
    if (descriptors_ == 0) {
        descriptors_ = open_descriptors(service_->pid());
    }
    const std::string surplus =
        surplus_descriptors(service_->pid(), descriptors_ + kMoreDescriptors);
    faults_.require(surplus.empty(),
                    fmt::format("when it was young it had {}; {}", descriptors_, surplus));
}

// All but the three that stay.
Status KillRounds::remove_others() {
    const Views views = ANCHORHOLD_TRY(settled_views(*service_));
    for (const auto& [name, view] : views) {
        if (name != kSubject && name != kAwake && name != kAsleep) {
            ANCHORHOLD_TRY(must("DELETE", fmt::format("/v1/sandboxes/{}?force=true", name)));
        }
    }
    return {};
}

Status KillRounds::end() {
    faults_.at(fmt::format("seed {}, at the end", seed_));
    if (const auto seen = look(*service_, faults_, kAsleep)) {
        compare(faults_, kAsleep, *seen, kAsleepWord, /*memory=*/true);
    }
    const auto verified = ServiceProcess::call(folder_, {"audit", "verify", kSubject});
    faults_.require(verified.has_value(), verified ? "" : verified.error().message);
    for (const char* name : {kSubject, kAwake, kAsleep}) {
        ANCHORHOLD_TRY(must("DELETE", fmt::format("/v1/sandboxes/{}?force=true", name)));
    }
    look_at_host();
    return service_->stop();
}

Result<KillFigures> KillRounds::run() {
    ANCHORHOLD_TRY(begin());
    const auto began = Steady::now();
    uint64_t next_print = std::max<uint64_t>(wanted_ / 20, 1);
    while (figures_.kills < wanted_ && number_ < 3 * wanted_ && faults_.count() < 20) {
        ANCHORHOLD_TRY(round());
        if (figures_.kills >= next_print) {
            next_print += std::max<uint64_t>(wanted_ / 20, 1);
            fmt::print("{:>6} kills, {:.0f} s\n", figures_.kills, seconds_since(began));
            std::fflush(stdout);
        }
    }
    figures_.seconds = seconds_since(began);
    ANCHORHOLD_TRY(end());
    return figures_;
}

}  // namespace

Result<KillFigures> run_kill_rounds(const std::string& folder, uint64_t kills, uint64_t seed,
                                    Faults& faults) {
    return KillRounds(folder, kills, seed, faults).run();
}

}  // namespace anchorhold::soak
