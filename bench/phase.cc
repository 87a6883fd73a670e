// The table of phases, and the cuts between them.
#include "bench/phase.h"

#include <algorithm>

namespace anchorhold::bench {
namespace {

using Kind = PhaseInfo::Kind;

constexpr std::array<PhaseInfo, kPhaseCount> kPhases = {{
    {Phase::kPrepare, "prepare", "prepare: open files, make the disk", Kind::kPart},
    {Phase::kSpawn, "spawn", "spawn: exec of the VMM, its configuration", Kind::kPart},
    {Phase::kCreateVm, "create_vm", "KVM_CREATE_VM: waits for the host's RCU", Kind::kPart},
    {Phase::kCreate, "create", "create: memory, irqchip, vCPUs", Kind::kPart},
    {Phase::kLoad, "load", "load: kernel and initrd into memory", Kind::kPart},
    {Phase::kEnter, "enter", "enter: devices, threads, first KVM_RUN", Kind::kPart},
    {Phase::kKernel, "kernel", "kernel: to init's first statement", Kind::kPart},
    {Phase::kInit, "init", "init: until it is ready", Kind::kPart},
    {Phase::kExec, "exec", "exec: ready to the command's execve", Kind::kPart},
    {Phase::kFirstByte, "first_byte", "first byte: execve to its arrival here", Kind::kPart},
    {Phase::kToInit, "to_init", "exec of the VMM to init's first statement", Kind::kSpan},
    {Phase::kToAgent, "to_agent", "exec of the VMM to the agent's first instruction", Kind::kSpan},
    {Phase::kToFirstByte, "to_first_byte", "request to first byte", Kind::kSpan},
}};

constexpr bool in_order() {
    for (size_t index = 0; index < kPhaseCount; ++index) {
        if (static_cast<size_t>(kPhases[index].phase) != index) {
            return false;
        }
    }
    return true;
}
static_assert(in_order());

std::optional<uint64_t> between(uint64_t from, uint64_t to) {
    if (from == 0 || to == 0) {
        return std::nullopt;
    }
    return to > from ? to - from : 0;
}

}  // namespace

std::span<const PhaseInfo> phases() {
    return kPhases;
}

const PhaseInfo& info(Phase phase) {
    return kPhases[static_cast<size_t>(phase)];
}

PhaseTimes cut(const supervisor::Timeline& at) {
    PhaseTimes times;
    const auto set = [&times](Phase phase, std::optional<uint64_t> value) {
        times[static_cast<size_t>(phase)] = value;
    };
    set(Phase::kPrepare, between(at.requested, at.spawned));
    set(Phase::kSpawn, between(at.spawned, at.configured));
    if (const auto create = between(at.configured, at.created)) {
        const uint64_t waited = std::min(at.create_vm, *create);
        set(Phase::kCreateVm, waited);
        set(Phase::kCreate, *create - waited);
    }
    set(Phase::kLoad, between(at.created, at.loaded));
    set(Phase::kEnter, between(at.loaded, at.running));
    set(Phase::kKernel, between(at.running, at.init_started));
    set(Phase::kInit, between(at.init_started, at.init_ready));
    set(Phase::kExec, between(at.init_ready, at.exec));
    set(Phase::kFirstByte, between(at.exec, at.first_byte));
    set(Phase::kToInit, between(at.spawned, at.init_started));
    set(Phase::kToAgent, between(at.spawned, at.exec));
    set(Phase::kToFirstByte, between(at.requested, at.first_byte));
    return times;
}

}  // namespace anchorhold::bench
