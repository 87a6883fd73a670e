// One KVM virtual processor: its registers, its identity, and running it.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/result.h"

namespace anchorhold::vmm::kvm {

// Owns a vCPU descriptor and its kvm_run page. Belongs to the thread that runs it, except for
// request_exit().
class Vcpu {
  public:
    Vcpu(OwnFd fd, OwnMapping run) : fd_(std::move(fd)), run_(std::move(run)) {}

    // KVM's own registers and hypercalls answer only where CPUID announces them. Where the host's
    // KVM can (5.10); before set_cpuid().
    void enforce_announced_features() const;
    Status set_cpuid(std::span<const kvm_cpuid_entry2> leaves) const;
    [[nodiscard]] Result<std::vector<kvm_cpuid_entry2>> cpuid() const;
    [[nodiscard]] Result<kvm_sregs> special_registers() const;
    Status set_special_registers(const kvm_sregs& registers) const;
    Status set_registers(const kvm_regs& registers) const;
    [[nodiscard]] Result<kvm_regs> registers() const;
    Status set_msr(uint32_t index, uint64_t value) const;
    [[nodiscard]] Result<uint64_t> msr(uint32_t index) const;

    // XCR0, the extended states that XSAVE handles. KVM_SET_XCRS.
    Status set_xcr0(uint64_t states) const;

    // Guest TSC = host TSC + offset (modulo 2^64), and the guest's TSC frequency in kHz.
    [[nodiscard]] Result<uint64_t> tsc_offset() const;
    Status set_tsc_offset(uint64_t offset) const;
    [[nodiscard]] Result<uint64_t> tsc_khz() const;

    // KVM_RUN. True when state() holds an exit to handle; false when a signal or request_exit()
    // ended it early.
    Result<bool> run() const;

    // KVM_PRE_FAULT_MEMORY (Linux 6.10): maps guest memory into the nested page tables as faults
    // would, page-aligned, without entering the guest. The vCPU's state is set.
    Status prefault(uint64_t guest_address, uint64_t bytes) const;

    // After run() ended and its exit was handled: lets KVM finish the instruction, so that the
    // registers are those after it, without entering the guest. The vCPU's thread has ended.
    Status complete_exit() const;
    // Takes request_exit() back.
    void allow_run() const;

    // What the last run() ended with, and where answers to the guest are put.
    [[nodiscard]] kvm_run& state() const { return *reinterpret_cast<kvm_run*>(run_.data()); }
    // `length` bytes of the kvm_run mapping from `offset`, where port I/O data lies; empty when out
    // of it.
    [[nodiscard]] std::span<uint8_t> shared_bytes(uint64_t offset, uint64_t length) const;

    // Makes the current or next run() return false. From any thread; send the runner a signal
    // afterwards.
    void request_exit() const;

    // For what is not a call of its own here (vcpu_state.h).
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    OwnFd fd_;
    OwnMapping run_;
};

}  // namespace anchorhold::vmm::kvm
