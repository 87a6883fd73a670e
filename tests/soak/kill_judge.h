// Whether what is there after a kill is what may be there.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "soak/guest_look.h"
#include "soak/kill_plan.h"
#include "soak/service_host.h"
#include "soak/service_process.h"

namespace anchorhold::soak {

// Three sandboxes stay: kSubject, which is hibernated, resumed and forked; kAwake and kAsleep,
// which nobody touches and which have to be as they were.
inline constexpr const char* kSubject = "subject";
inline constexpr const char* kAwake = "awake";
inline constexpr const char* kAsleep = "asleep";
inline constexpr const char* kAwakeWord = "awake-word";
inline constexpr const char* kAsleepWord = "asleep-word";
inline constexpr uint64_t kForks = 2;

struct Killed {
    std::string program;
    pid_t pid = -1;
};

// What is known of kSubject from one round to the next.
struct Subject {
    std::string word;  // that it holds
    pid_t vmm = -1;    // when the round began
    uint64_t counted = 0;
    std::string boot;
    uint64_t boot_generation = 0;
};

class KillJudge {
  public:
    KillJudge(ServiceProcess& service, Faults& faults, Subject& subject)
        : service_(service), faults_(faults), subject_(subject) {}

    // After a round: `views` are settled.
    void judge(const KillPlan& plan, const std::optional<ServiceAnswer>& answer,
               const std::optional<Killed>& killed, const Views& views);
    // A sandbox of one command: the command runs, or its VM was killed; then it is gone.
    void end_run(const KillPlan& plan, std::optional<ServiceAnswer> answer);

  private:
    void judge_made(const KillPlan& plan, bool good, bool unanswered, bool vmm_killed,
                    const Views& views);
    void judge_subject(const KillPlan& plan, bool good, bool vmm_killed, const Views& views);
    void judge_forks(bool good, bool unanswered, bool vmm_killed, const Views& views);
    void judge_untouched(const Views& views);

    ServiceProcess& service_;
    Faults& faults_;
    Subject& subject_;
};

}  // namespace anchorhold::soak
