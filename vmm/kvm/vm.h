// One KVM virtual machine: memory slots, the in-kernel interrupt controller, event descriptors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "vmm/kvm/vcpu.h"

namespace anchorhold::vmm::kvm {

// A range of guest physical memory and the host memory behind it, which must outlive the Vm's last
// vCPU run.
struct MemorySlot {
    uint32_t index;
    uint64_t guest_address;  // page aligned
    uint64_t size;           // bytes, page aligned
    std::byte* host_address;
};

// Owns a VM descriptor. Usable only in the process that created it.
class Vm {
  public:
    Vm(OwnFd fd, size_t run_size) : fd_(std::move(fd)), run_size_(run_size) {}

    // Three pages and one page of guest physical space that Intel hosts need for real mode; call
    // before create_vcpu().
    Status reserve_real_mode_pages(uint64_t tss_address, uint64_t identity_map_address) const;

    // No performance counters, where the host's KVM can be told so (5.18); elsewhere nobody
    // reaches them but by RDPMC, since CPUID and the MSR filter hide them. Before create_vcpu().
    Status disable_counters() const;

    // PICs, IOAPIC and local APICs in the kernel; no PIT. Before create_vcpu().
    Status create_irqchip() const;

    Status set_memory(const MemorySlot& slot) const;

    // Each write to `event` raises the edge-triggered interrupt `gsi`.
    Status add_irqfd(int event, uint32_t gsi) const;

    // Each 32-bit guest write to the MMIO `address`, of any value, signals `event` and never
    // reaches the VMM.
    Status add_ioeventfd(int event, uint64_t address) const;

    // The same, only for writes of `value`.
    Status add_ioeventfd(int event, uint64_t address, uint32_t value) const;

    [[nodiscard]] Result<Vcpu> create_vcpu(uint32_t index) const;

    // Bytes that KVM_GET_XSAVE2 and KVM_SET_XSAVE move on this host, 4096 at least.
    [[nodiscard]] size_t xsave_size() const;

    // For what is not a call of its own here (vm_state.h).
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    OwnFd fd_;
    size_t run_size_;
};

}  // namespace anchorhold::vmm::kvm
