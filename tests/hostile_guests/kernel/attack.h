// One attack each: what it is called, and what it does and finds.
#pragma once

#include <cstdint>

#include "machine.h"

namespace hostile {

// `made` counts what was really done; `outcome` is one word for what the guest saw of it.
struct Result {
    uint64_t made = 0;
    const char* outcome = "";
};

struct Attack {
    const char* name;
    Result (*make)(const Surroundings&);
};

struct Attacks {
    const Attack* first;
    uint64_t count;
};

Attacks ring_attacks();       // queues, whatever the device
Attacks register_attacks();   // status, features, queue registers, configuration
Attacks vsock_attacks();      //
Attacks disk_attacks();       // and the balloon's
Attacks processor_attacks();  // MSRs, CPUID, clocks, interrupts, ports, addresses; ways to end

}  // namespace hostile
