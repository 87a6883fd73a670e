// Every kind of operation by what its answer promised.
#include "soak/kill_judge.h"

#include <fmt/format.h>

#include <set>
#include <utility>
#include <vector>

namespace anchorhold::soak {
namespace {

std::string state_of(const Views& views, const std::string& name) {
    const auto found = views.find(name);
    return found == views.end() ? "none" : found->second.value("state", "?");
}

}  // namespace

void KillJudge::judge(const KillPlan& plan, const std::optional<ServiceAnswer>& answer,
                      const std::optional<Killed>& killed, const Views& views) {
    const bool good = answer && answer->good();
    const bool vmm_killed = killed && killed->program == "anchorhold-vmm";
    const bool subject_killed = vmm_killed && killed->pid == subject_.vmm;
    faults_.require(answer || plan.victim == Victim::service,
                    "the service ended, and nobody killed it");
    const bool may_fail = vmm_killed || (killed && killed->program == "anchorhold-keep") ||
                          (killed && killed->program == "anchorhold-vaul");
    faults_.require(!answer || good || may_fail,
                    "expected that it succeeds, came " + (answer ? answer->text() : ""));
    switch (plan.operation) {
        case Operation::create:
        case Operation::create_from:
            judge_made(plan, good, !answer, vmm_killed && !subject_killed, views);
            break;
        case Operation::fork:
            judge_forks(good, !answer, vmm_killed && !subject_killed, views);
            break;
        case Operation::run_from:
        case Operation::hibernate:
        case Operation::resume:
            break;
    }
    // The VMM of a resumed one is younger than the round's beginning.
    judge_subject(plan, good, subject_killed || (vmm_killed && plan.operation == Operation::resume),
                  views);
    judge_untouched(views);
}

void KillJudge::judge_untouched(const Views& views) {
    for (const char* name : {kAwake, kAsleep}) {
        const std::string wanted = name == kAwake ? "running" : "hibernated";
        faults_.require(
            state_of(views, name) == wanted,
            fmt::format("{}: expected {}, came {}", name, wanted, state_of(views, name)));
    }
    const auto awake =
        service_.run_in(kAwake, "read a < $HOME/word; read b < /dev/shm/word; echo $a $b");
    const std::string wanted = fmt::format("{0} {0}\n", kAwakeWord);
    faults_.require(awake && *awake == wanted,
                    fmt::format("{}: expected '{}', came '{}'", kAwake, wanted,
                                awake ? *awake : awake.error().message));
}

void KillJudge::end_run(const KillPlan& plan, std::optional<ServiceAnswer> answer) {
    if (plan.operation != Operation::run_from || !answer || answer->status != 101) {
        return;
    }
    // Where its restored VM was killed it starts cold, and says so: nothing was made there.
    const std::string wanted = answer->start == "cold" ? "nothing" : "made";
    const auto text = run_on_stream(std::move(answer->stream),
                                    "w=nothing; [ -e $HOME/made ] && read w < $HOME/made; echo $w");
    const bool may_be_lost = plan.victim == Victim::service || plan.victim == Victim::vmm;
    faults_.require(text ? *text == wanted + "\n" : may_be_lost,
                    fmt::format("run --from, started {}: expected '{}', came '{}'", answer->start,
                                wanted, text ? *text : text.error().message));
}

// A sandbox that was being created.
void KillJudge::judge_made(const KillPlan& plan, bool good, bool unanswered, bool vmm_killed,
                           const Views& views) {
    const std::string state = state_of(views, plan.name);
    if (good) {
        faults_.require(state == "running" || (vmm_killed && state == "stopped"),
                        fmt::format("{}: its create was answered; expected running, came {}",
                                    plan.name, state));
    } else {
        faults_.require(state == "none" || (unanswered && state == "running"),
                        fmt::format("{}: its create was not answered well; expected none{}, came "
                                    "{}",
                                    plan.name, unanswered ? " or running" : "", state));
    }
    if (state != "running") {
        return;
    }
    const auto written = service_.run_in(plan.name, write_words(plan.name));
    faults_.require(written.has_value(),
                    plan.name + ": " + (written ? "" : written.error().message));
    if (const auto seen = look(service_, faults_, plan.name)) {
        compare(faults_, plan.name, *seen, plan.name, /*memory=*/true);
        // One that started cold, as asked or because its restored VM was killed, is whoever its
        // image says.
        if (views.at(plan.name).value("start", "") != "cold") {
            compare_identity(faults_, plan.name, *seen, views);
        }
    }
    if (plan.has_window) {
        judge_window(service_, faults_, plan.name);
    }
}

void KillJudge::judge_subject(const KillPlan& plan, bool good, bool vmm_killed,
                              const Views& views) {
    std::string state = state_of(views, kSubject);
    std::set<std::string> allowed = {"running"};
    if (plan.operation == Operation::hibernate) {
        allowed = good ? std::set<std::string>{"hibernated"}
                       : std::set<std::string>{"running", "hibernated"};
    } else if (plan.operation == Operation::resume && !good) {
        allowed.insert("hibernated");
    }
    if (vmm_killed && !(plan.operation == Operation::hibernate && good)) {
        allowed.insert("stopped");
    }
    std::string wanted;
    for (const std::string& each : allowed) {
        wanted += (wanted.empty() ? "" : " or ") + each;
    }
    faults_.require(allowed.contains(state),
                    fmt::format("{}: expected {}, came {}", kSubject, wanted, state));
    const bool lost = state == "stopped";
    if (lost) {
        subject_.counted = 0;
        const auto started = service_.ask("POST", fmt::format("/v1/sandboxes/{}/start", kSubject));
        faults_.require(started && started->good(),
                        fmt::format("{}: expected that it starts, came {}", kSubject,
                                    started ? started->text() : started.error().message));
    }
    const auto seen = look(service_, faults_, kSubject);
    if (!seen) {
        return;
    }
    compare(faults_, kSubject, *seen, subject_.word, !lost);
    faults_.require(lost || seen->first >= subject_.counted,
                    fmt::format("{}: expected a counter beyond {}, came {}", kSubject,
                                subject_.counted, seen->first));
    subject_.counted = seen->second;
    const auto now = service_.ask("GET", fmt::format("/v1/sandboxes/{}", kSubject));
    const uint64_t generation = now ? now->body.value("generation", uint64_t{0}) : 0;
    if (!subject_.boot.empty()) {
        faults_.require(
            (generation == subject_.boot_generation) == (seen->boot == subject_.boot),
            fmt::format("{}: its generation went from {} to {}, its boot from {} to {}", kSubject,
                        subject_.boot_generation, generation, subject_.boot, seen->boot));
    }
    subject_.boot = seen->boot;
    subject_.boot_generation = generation;
    if (plan.victim == Victim::window || plan.looks_at_window) {
        judge_window(service_, faults_, kSubject);
    }
}

// All or none of them.
void KillJudge::judge_forks(bool good, bool unanswered, bool vmm_killed, const Views& views) {
    std::vector<std::string> there;
    for (uint64_t i = 1; i <= kForks; ++i) {
        const std::string name = fmt::format("{}-{}", kSubject, i);
        if (views.contains(name)) {
            there.push_back(name);
        }
    }
    const bool all = there.size() == kForks;
    faults_.require(all || there.empty(), "a part of a fork's sandboxes is there");
    faults_.require(good ? all : (there.empty() || unanswered),
                    fmt::format("expected {} sandboxes of the fork, came {}", good ? "all" : "no",
                                there.size()));
    for (const std::string& name : there) {
        const std::string state = state_of(views, name);
        faults_.require(state == "running" || (vmm_killed && state == "stopped"),
                        fmt::format("{}: expected running, came {}", name, state));
        if (state != "running") {
            continue;
        }
        if (const auto seen = look(service_, faults_, name)) {
            compare(faults_, name, *seen, subject_.word, /*memory=*/true);
            compare_identity(faults_, name, *seen, views);
            faults_.require(seen->boot != subject_.boot, name + ": has its source's boot");
        }
    }
}

}  // namespace anchorhold::soak
