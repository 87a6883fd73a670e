// What is asked for, who is killed, and when.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace anchorhold::soak {

enum class Operation { create, create_from, run_from, hibernate, resume, fork };
inline constexpr std::array kOperations = {Operation::create,   Operation::create_from,
                                           Operation::run_from, Operation::hibernate,
                                           Operation::resume,   Operation::fork};

[[nodiscard]] const char* to_text(Operation operation);

enum class Victim { service, vmm, keeper, window, vault };

// The names of its programs, as processes have them.
[[nodiscard]] std::vector<std::string> programs_of(Victim victim);

struct KillPlan {
    Operation operation = Operation::create;
    Victim victim = Victim::service;
    std::chrono::microseconds after{0};
    std::string name;  // of what is made
    bool has_window = false;
    bool looks_at_window = false;  // of the subject, afterwards, whoever was killed
};

// How long each takes where nobody is killed.
using OperationTimes = std::map<Operation, std::chrono::microseconds>;

// The plan of round `number`.
[[nodiscard]] KillPlan draw_plan(std::mt19937_64& random, const OperationTimes& takes,
                                 uint64_t number);

}  // namespace anchorhold::soak
