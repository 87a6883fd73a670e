// Machine's two ways between life and files. The orders are the kernel's: on the way out devices
// before processors (they may raise interrupts) before the VM's clock; on the way in the other way
// round, devices last.
#include <fcntl.h>
#include <x86intrin.h>

#include <mutex>
#include <utility>

#include "base/sys.h"
#include "snapshot/pagemap.h"
#include "snapshot/sparse_memory.h"
#include "snapshot/state_file.h"
#include "snapshot/working_set.h"
#include "vmm/boot/cpuid.h"
#include "vmm/kvm/msr_list.h"
#include "vmm/kvm/system.h"
#include "vmm/kvm/vcpu_state.h"
#include "vmm/kvm/vm_state.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/named.h"
#include "vmm/snapshot/cpu_compatibility.h"

namespace anchorhold::vmm {
namespace {

Status check_fits(const MachineState& state, uint64_t memory_bytes, size_t processors,
                  std::span<const kvm_cpuid_entry2> supported) {
    if (state.memory_bytes != memory_bytes || state.processors.size() != processors) {
        return fail(
            "the state is of a machine with other memory or another number of processors "
            "than was prepared");
    }
    for (uint32_t index = 0; index < processors; ++index) {
        const auto host = guest_cpuid(supported, {index, static_cast<uint32_t>(processors)});
        ANCHORHOLD_TRY(check_cpu(state.processors[index].cpuid, host));
    }
    return {};
}

}  // namespace

Status Machine::restore(RestoreConfiguration configuration, proto::Restored& times) {
    if (devices_ != nullptr) {
        return fail("this machine is one already");
    }
    times.set_received_ns(now_ns());
    const std::string payload =
        ANCHORHOLD_TRY(named("state", snapshot::read_state(configuration.state.get())));
    const MachineState state = ANCHORHOLD_TRY(decode_machine_state(payload));
    const auto supported = ANCHORHOLD_TRY(named("KVM", system_->supported_cpuid()));
    ANCHORHOLD_TRY(check_fits(state, memory_->size(), vcpus_.size(), supported));
    ANCHORHOLD_TRY(named("memory", back_memory(configuration)));
    times.set_mapped_ns(now_ns());
    const auto set = ANCHORHOLD_TRY(named("working set", read_working_set(configuration)));
    if (paged_ == nullptr) {
        times.set_populated_written_pages(
            page_copier_->make_own(memory_->bytes(), memory_->fd(), set.written));
    }
    page_copier_.reset();
    times.set_populated_ns(now_ns());
    ANCHORHOLD_TRY(attach(std::move(configuration.attachments)));
    ANCHORHOLD_TRY(restore_state(state));
    const kvm::Vcpu& boot = vcpus_.front()->vcpu();
    times.set_guest_tsc_offset(ANCHORHOLD_TRY(boot.tsc_offset()));
    times.set_tsc_khz(boot.tsc_khz().value_or(0));
    times.set_host_tsc(__rdtsc());
    times.set_clock_ns(now_ns());
    times.set_state_ns(times.clock_ns());
    // Filling in nested page tables costs about what the guest's faults would: for pages that are
    // only read it pays where somebody waits for the machine later, not now.
    uint64_t prefaulted = prefault(set.written);
    if (configuration.start == RestoreConfiguration::Start::kPaused) {
        prefaulted += prefault(set.read);
    }
    times.set_prefaulted_pages(prefaulted);
    times.set_prefaulted_ns(now_ns());
    return {};
}

// Fills in the nested page tables, which having the pages in the host's does not.
uint64_t Machine::prefault(std::span<const snapshot::PageRange> ranges) {
    const kvm::Vcpu& vcpu = vcpus_.front()->vcpu();
    uint64_t pages = 0;
    for (const snapshot::PageRange& range : ranges) {
        const auto bytes = memory_->bytes().subspan(range.first * memory::kPageSize,
                                                    range.count * memory::kPageSize);
        const auto guest = memory_->range_of(bytes);
        if (!guest) {
            continue;  // it lies on both sides of the hole: left to faults
        }
        if (!vcpu.prefault(guest->start.value(), guest->size)) {
            break;  // a host before 6.10, or without nested paging: all are left to faults
        }
        pages += range.count;
    }
    return pages;
}

Status Machine::back_memory(RestoreConfiguration& configuration) {
    if (configuration.pager.valid()) {
        paged_ = ANCHORHOLD_TRY(PagedMemory::create(
            *memory_, std::move(configuration.pager), configuration.userfaultfd, loop_, [this] {
                end({MachineEnd::Reason::kFailed, "the guest's pager has gone"});
            }));
        return {};
    }
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(configuration.memory.get(), "memory file"));
    if (size != memory_->size()) {
        return fail("the memory file has " + std::to_string(size) + " bytes, the machine " +
                    std::to_string(memory_->size()));
    }
    return memory_->back(std::move(configuration.memory), memory::Sharing::kPrivate);
}

Result<snapshot::WorkingSet> Machine::read_working_set(const RestoreConfiguration& configuration) {
    if (!configuration.working_set.valid() || paged_ != nullptr) {
        return snapshot::WorkingSet{};  // a pager fetches ahead by itself
    }
    return snapshot::read_working_set(configuration.working_set.get(),
                                      memory_->size() / memory::kPageSize);
}

Status Machine::restore_state(const MachineState& state) {
    const kvm::VcpuStateLimits limits{vm_->xsave_size(), __rdtsc()};
    for (size_t i = 0; i < vcpus_.size(); ++i) {
        ANCHORHOLD_TRY(named("processor " + std::to_string(i),
                             kvm::restore_state(vcpus_[i]->vcpu(), state.processors[i], limits)));
    }
    ANCHORHOLD_TRY(named("KVM", kvm::restore_state(*vm_, state.vm)));
    stopped_clocks_ = StoppedClocks{state.vm.clock.clock, {}};
    for (const kvm::VcpuState& processor : state.processors) {
        stopped_clocks_->deadlines.push_back(kvm::tsc_deadline(processor));
    }
    {
        const std::scoped_lock hold(lock_);
        ANCHORHOLD_TRY(named("devices", devices_->restore(state.devices)));
        serial_.restore(state.devices.serial);
    }
    devices_->process_queues();
    return {};
}

// A guest whose clock leaps by seconds has its timers to run and its watchdogs to calm before
// anything else.
Status Machine::set_back_clocks(uint64_t ticks) {
    if (!stopped_clocks_) {
        return fail("only a machine that has not run since it was restored has stood still");
    }
    for (size_t i = 0; i < vcpus_.size(); ++i) {
        ANCHORHOLD_TRY(
            named("processor " + std::to_string(i),
                  kvm::set_back_tsc(vcpus_[i]->vcpu(), ticks, stopped_clocks_->deadlines[i])));
    }
    return named("KVM", kvm::set_clock(*vm_, stopped_clocks_->clock_ns));
}

Status Machine::start(proto::Restored& times) {
    times.set_run_ns(now_ns());
    return start_vcpus();
}

Result<MachineState> Machine::save_state() {
    MachineState state;
    state.memory_bytes = memory_->size();
    {
        const std::scoped_lock hold(lock_);
        state.devices = devices_->save();
        state.devices.serial = serial_.save();
    }
    const auto msrs = ANCHORHOLD_TRY(kvm::state_msrs(*system_));
    const kvm::VcpuStateLimits limits{vm_->xsave_size(), __rdtsc()};
    for (const auto& vcpu : vcpus_) {
        state.processors.push_back(ANCHORHOLD_TRY(kvm::save_state(vcpu->vcpu(), msrs, limits)));
    }
    state.vm = ANCHORHOLD_TRY(kvm::save_state(*vm_));
    return state;
}

Result<proto::Snapshotted> Machine::snapshot(SnapshotTargets targets) {
    if (running_ || devices_ == nullptr) {
        return fail("only a paused machine can be written down");
    }
    const std::string file =
        snapshot::seal_state(encode(ANCHORHOLD_TRY(named("state", save_state()))));
    proto::Snapshotted done;
    done.set_state_bytes(file.size());
    const uint64_t began = now_ns();
    if (targets.how == SnapshotTargets::Memory::kShare) {
        if (memory_->sharing() != memory::Sharing::kShared) {
            return fail("memory: its file is another machine's already");
        }
        ANCHORHOLD_TRY(memory_->detach());
        constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
        if (::fcntl(memory_->fd(), F_ADD_SEALS, kSeals) < 0) {
            return fail_errno("fcntl F_ADD_SEALS", "guest memory");
        }
    } else {
        std::optional<snapshot::Source> source;
        if (memory_->sharing() == memory::Sharing::kShared) {
            source = snapshot::Source{memory_->fd(), 0};
        }
        done.set_stored_bytes(ANCHORHOLD_TRY(named(
            "memory", snapshot::write_sparse(targets.memory.get(), 0, memory_->bytes(), source))));
    }
    done.set_memory_ns(now_ns() - began);
    ANCHORHOLD_TRY(named("state", sys::write_all(targets.state.get(), std::string_view(file))));
    return done;
}

Result<proto::Snapshotted> Machine::record_working_set(const OwnFd& target) {
    if (running_ || devices_ == nullptr || memory_->sharing() != memory::Sharing::kPrivate) {
        return fail("only a restored machine that is paused has a working set");
    }
    const auto set = ANCHORHOLD_TRY(
        snapshot::observed_pages(pagemap_.get(), memory_->bytes().data(), memory_->size()));
    const std::string file = snapshot::seal(set, memory_->size() / memory::kPageSize);
    ANCHORHOLD_TRY(sys::write_all(target.get(), std::string_view(file)));
    proto::Snapshotted done;
    done.set_state_bytes(file.size());
    done.set_stored_bytes(snapshot::count_pages(set.written) * memory::kPageSize);
    return done;
}

}  // namespace anchorhold::vmm
