// Dice.
#include "soak/kill_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace anchorhold::soak {

const char* to_text(Operation operation) {
    switch (operation) {
        case Operation::create:
            return "create";
        case Operation::create_from:
            return "create --from";
        case Operation::run_from:
            return "run --from";
        case Operation::hibernate:
            return "hibernate";
        case Operation::resume:
            return "resume";
        case Operation::fork:
            return "fork";
    }
    return "?";
}

std::vector<std::string> programs_of(Victim victim) {
    switch (victim) {
        case Victim::vmm:
            return {"anchorhold-vmm"};
        case Victim::keeper:
            return {"anchorhold-keep"};
        case Victim::window:
            return {"anchorhold-prox", "anchorhold-dial"};
        case Victim::vault:
            return {"anchorhold-vaul"};
        case Victim::service:
            break;
    }
    return {"anchorhold"};
}

KillPlan draw_plan(std::mt19937_64& random, const OperationTimes& takes, uint64_t number) {
    KillPlan plan;
    plan.operation = kOperations[random() % kOperations.size()];
    const uint64_t choice = random() % 100;
    plan.victim = choice < 40   ? Victim::service
                  : choice < 60 ? Victim::vmm
                  : choice < 80 ? Victim::keeper
                                : Victim::window;
    const bool seals =
        plan.operation == Operation::hibernate || plan.operation == Operation::resume;
    if (seals && choice >= 90) {
        plan.victim = Victim::vault;
    }
    // A little beyond its usual length: also what just completed is looked at.
    const auto most = static_cast<uint64_t>(takes.at(plan.operation).count() * 11 / 10);
    plan.after = std::chrono::microseconds(random() % std::max<uint64_t>(most, 1));
    plan.name = fmt::format("made-{}", number);
    plan.has_window = plan.operation == Operation::create_from && random() % 2 == 0;
    plan.looks_at_window = random() % 4 == 0;
    return plan;
}

}  // namespace anchorhold::soak
