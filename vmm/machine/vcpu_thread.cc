// The KVM_RUN loop. Exit reasons are those of the KVM API documentation, §5.
#include "vmm/machine/vcpu_thread.h"

#include <fmt/format.h>
#include <linux/kvm.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace anchorhold::vmm {
namespace {

// Enough for handling an exit, protobuf and logging included; the default would map 8 MiB.
constexpr size_t kStackSize = 64 * 1024;

int kick_signal() {
    return SIGRTMIN;
}

// Where a vCPU stands, for whoever has to find out why. Empty when KVM has already reset it, as it
// does on AMD after a shutdown (KVM API, KVM_EXIT_SHUTDOWN).
std::string where(const kvm::Vcpu& vcpu) {
    constexpr uint64_t kResetVector = 0xfff0;
    const auto registers = vcpu.registers();
    const auto special = vcpu.special_registers();
    if (!registers || !special || registers->rip == kResetVector) {
        return {};
    }
    return fmt::format(" at rip {:#x}, rsp {:#x}, cr2 {:#x}, cr3 {:#x}, cr4 {:#x}, efer {:#x}",
                       registers->rip, registers->rsp, special->cr2, special->cr3, special->cr4,
                       special->efer);
}

}  // namespace

Status prepare_vcpu_signal() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    if (::sigaction(kick_signal(), &action, nullptr) < 0) {
        return fail_errno("sigaction");
    }
    return {};
}

Result<std::unique_ptr<VcpuThread>> VcpuThread::create(kvm::Vcpu vcpu, VcpuEnvironment& environment,
                                                       std::function<Status()> prepare) {
    std::unique_ptr<VcpuThread> made(new VcpuThread(std::move(vcpu), environment));
    made->thread_ = ANCHORHOLD_TRY(ParkedThread::start(kStackSize, std::move(prepare)));
    return made;
}

void VcpuThread::start() {
    interrupted_.store(false, std::memory_order_relaxed);
    vcpu_.allow_run();
    started_ = true;
    thread_->run([this] { run(); });
}

void VcpuThread::interrupt() {
    if (!started_) {
        return;
    }
    // In this order the signal cannot be lost: one that comes before KVM_RUN finds request_exit()
    // in force.
    interrupted_.store(true, std::memory_order_relaxed);
    vcpu_.request_exit();
    thread_->signal(kick_signal());
}

void VcpuThread::stop() {
    if (!started_) {
        return;
    }
    interrupt();
    thread_->wait();
    started_ = false;
}

void VcpuThread::run() {
    while (!interrupted_.load(std::memory_order_relaxed) &&
           !environment_.ending.load(std::memory_order_relaxed)) {
        const auto left_guest = vcpu_.run();
        if (!left_guest) {
            end(MachineEnd::Reason::kCrash, left_guest.error().message);
        } else if (*left_guest) {
            handle_exit();
        }
    }
}

void VcpuThread::end(MachineEnd::Reason reason, std::string detail) {
    environment_.ending.store(true, std::memory_order_relaxed);
    environment_.on_end({reason, std::move(detail)});
}

void VcpuThread::handle_exit() {
    const kvm_run& state = vcpu_.state();
    switch (state.exit_reason) {
        case KVM_EXIT_IO:
            return port_access();
        case KVM_EXIT_MMIO:
            return register_access();
        case KVM_EXIT_INTR:
        case KVM_EXIT_IRQ_WINDOW_OPEN:
            return;
        case KVM_EXIT_SHUTDOWN:
            return end(MachineEnd::Reason::kCrash, "the guest triple-faulted" + where(vcpu_));
        case KVM_EXIT_SYSTEM_EVENT:
            return state.system_event.type == KVM_SYSTEM_EVENT_CRASH
                       ? end(MachineEnd::Reason::kCrash, "the guest reported a crash")
                       : end(MachineEnd::Reason::kReset, {});
        case KVM_EXIT_FAIL_ENTRY:
            return end(
                MachineEnd::Reason::kCrash,
                fmt::format("the processor refused to enter the guest (hardware reason {:#x})",
                            state.fail_entry.hardware_entry_failure_reason));
        case KVM_EXIT_INTERNAL_ERROR:
            return end(MachineEnd::Reason::kCrash,
                       fmt::format("KVM cannot run what the guest does (suberror {})",
                                   state.internal.suberror));
        default:
            return end(
                MachineEnd::Reason::kCrash,
                fmt::format("KVM left the guest for reason {}, which this machine does not have",
                            state.exit_reason));
    }
}

void VcpuThread::port_access() {
    port_exits_.fetch_add(1, std::memory_order_relaxed);
    const auto& io = vcpu_.state().io;
    // String instructions repeat the access `count` times on one port.
    auto data =
        std::as_writable_bytes(vcpu_.shared_bytes(io.data_offset, uint64_t{io.size} * io.count));
    const std::scoped_lock hold(environment_.lock);
    for (; io.size > 0 && data.size() >= io.size; data = data.subspan(io.size)) {
        if (io.direction == KVM_EXIT_IO_OUT) {
            environment_.ports.write(io.port, data.first(io.size));
        } else {
            environment_.ports.read(io.port, data.first(io.size));
        }
    }
}

void VcpuThread::register_access() {
    register_exits_.fetch_add(1, std::memory_order_relaxed);
    auto& mmio = vcpu_.state().mmio;
    const auto data = std::as_writable_bytes(std::span(mmio.data))
                          .first(std::min<size_t>(mmio.len, sizeof mmio.data));
    const std::scoped_lock hold(environment_.lock);
    if (mmio.is_write != 0) {
        environment_.registers.write(mmio.phys_addr, data);
    } else {
        environment_.registers.read(mmio.phys_addr, data);
    }
}

}  // namespace anchorhold::vmm
