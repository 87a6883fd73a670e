// Whether this host's KVM can run a stock 64-bit kernel, found out by running one's first
// instructions.
#pragma once

#include <string>

#include "base/clock.h"

namespace anchorhold::machine {

struct KvmProbe {
    bool usable = false;
    std::string reason;  // where it is not: one line for a person
};

// Opens `device`, makes a throw-away VM and runs privileged 64-bit code in ring 0 with paging on:
// control registers, an MSR, a far return through the guest's own descriptor table, port output,
// halt. All of it in a child that is killed after `patience`: paravirtual KVMs open, answer every
// query and then hang or fail here. Takes a few milliseconds.
[[nodiscard]] KvmProbe probe_kvm(const std::string& device = "/dev/kvm",
                                 Duration patience = std::chrono::seconds(2));

}  // namespace anchorhold::machine
