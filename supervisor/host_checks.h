// What `anchorhold doctor` looks at: can this host run sandboxes, what slows their starts, and what
// lets one tenant learn of another.
#pragma once

#include <string>
#include <vector>

#include "supervisor/installation.h"

namespace anchorhold::supervisor {

struct HostCheck {
    enum class Verdict {
        kOk,
        kSlow,     // works; starts are slower than they need be
        kRisk,     // works; a wall between tenants is thinner than it could be
        kMissing,  // sandboxes cannot run
        kUnknown,  // this kernel does not say
    };
    std::string name;  // "RCU expediting"
    Verdict verdict = Verdict::kUnknown;
    std::string found;    // "off"
    std::string matters;  // why, in one sentence; empty when kOk needs no word
    std::string remedy;   // the command or setting; empty when there is nothing to do
};

// Where the kernel's files are: "/" outside tests.
struct HostRoot {
    std::string path = "/";
};

// Settings of the running kernel that cost time at every start, or that tenants see each other
// through.
[[nodiscard]] std::vector<HostCheck> check_kernel_settings(const HostRoot& root);

// The VMM, init, kernel and images of the installation.
[[nodiscard]] std::vector<HostCheck> check_installation(const Installation& installation);

}  // namespace anchorhold::supervisor
