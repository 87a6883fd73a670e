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
    {Phase::kHandOver, "hand_over", "hand over: until the VMM takes its orders", Kind::kPart},
    {Phase::kLoad, "load", "load: kernel and initrd into memory", Kind::kPart},
    {Phase::kMap, "map", "map: read the state, map the memory", Kind::kPart},
    {Phase::kPopulate, "populate", "populate: the working set", Kind::kPart},
    {Phase::kState, "state", "state: devices, vCPUs, interrupt controllers", Kind::kPart},
    {Phase::kPrefault, "prefault", "prefault: the nested page tables", Kind::kPart},
    {Phase::kEnter, "enter", "enter: devices, threads, first KVM_RUN", Kind::kPart},
    {Phase::kKernel, "kernel", "kernel: to init's first statement", Kind::kPart},
    {Phase::kInit, "init", "init: until it is ready", Kind::kPart},
    {Phase::kResume, "resume", "resume: first KVM_RUN to init's answer", Kind::kPart},
    {Phase::kExec, "exec", "exec: ready to the command's execve", Kind::kPart},
    {Phase::kFirstByte, "first_byte", "first byte: execve to its arrival here", Kind::kPart},
    {Phase::kToInit, "to_init", "exec of the VMM to init's first statement", Kind::kSpan},
    {Phase::kToAgent, "to_agent", "exec of the VMM to the agent's first instruction", Kind::kSpan},
    {Phase::kToResumed, "to_resumed", "request to the guest being itself again", Kind::kSpan},
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

using Times = supervisor::Timeline;

class Cut {
  public:
    explicit Cut(const Times& at) : at_(at) {}

    PhaseTimes of_boot() {
        set(Phase::kPrepare, between(at_.requested, at_.spawned));
        set(Phase::kSpawn, between(at_.spawned, at_.configured));
        set_create(at_.configured);
        set(Phase::kLoad, between(at_.created, at_.loaded));
        set(Phase::kEnter, between(at_.loaded, at_.running));
        set(Phase::kKernel, between(at_.running, at_.init_started));
        set(Phase::kInit, between(at_.init_started, at_.init_ready));
        set(Phase::kExec, between(at_.init_ready, at_.exec));
        set(Phase::kToInit, between(at_.spawned, at_.init_started));
        set(Phase::kToAgent, between(at_.spawned, at_.exec));
        return answered();
    }

    PhaseTimes of_restore() {
        const bool shell_made = at_.spawned >= at_.requested;
        if (shell_made) {
            set(Phase::kPrepare, between(at_.requested, at_.spawned));
            set(Phase::kSpawn, between(at_.spawned, at_.vmm_main));
            set_create(at_.vmm_main);
            set(Phase::kToAgent, between(at_.spawned, at_.exec));
        } else {
            set(Phase::kPrepare, between(at_.requested, at_.handed));
        }
        const uint64_t told = shell_made ? at_.created : at_.handed;
        if (at_.configured >= at_.requested) {
            set(Phase::kHandOver, between(told, at_.configured));
            set(Phase::kMap, between(at_.configured, at_.mapped));
            set(Phase::kPopulate, between(at_.mapped, at_.populated));
            set(Phase::kState, between(at_.populated, at_.restored));
            set(Phase::kPrefault, between(at_.restored, at_.prefaulted));
            set(Phase::kEnter, between(std::max(at_.restored, at_.prefaulted), at_.running));
        } else {
            set(Phase::kHandOver, between(told, at_.running));
        }
        set(Phase::kResume, between(at_.running, at_.resumed));
        set(Phase::kExec, between(at_.resumed, at_.exec));
        set(Phase::kToResumed, between(at_.requested, at_.resumed));
        return answered();
    }

  private:
    void set(Phase phase, std::optional<uint64_t> value) {
        times_[static_cast<size_t>(phase)] = value;
    }

    void set_create(uint64_t from) {
        if (const auto create = between(from, at_.created)) {
            const uint64_t waited = std::min(at_.create_vm, *create);
            set(Phase::kCreateVm, waited);
            set(Phase::kCreate, *create - waited);
        }
    }

    PhaseTimes answered() {
        set(Phase::kFirstByte, between(at_.exec, at_.first_byte));
        set(Phase::kToFirstByte, between(at_.requested, at_.first_byte));
        return times_;
    }

    const Times& at_;
    PhaseTimes times_;
};

}  // namespace

std::span<const PhaseInfo> phases() {
    return kPhases;
}

const PhaseInfo& info(Phase phase) {
    return kPhases[static_cast<size_t>(phase)];
}

PhaseTimes cut(const supervisor::Timeline& timeline) {
    return timeline.mapped == 0 ? Cut(timeline).of_boot() : Cut(timeline).of_restore();
}

}  // namespace anchorhold::bench
