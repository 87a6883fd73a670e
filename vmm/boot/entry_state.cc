// PVH, "x86/HVM direct boot ABI" (xen/docs/misc/pvh.pandoc): the state at entry.
#include "vmm/boot/entry_state.h"

namespace anchorhold::vmm {
namespace {

constexpr uint64_t kProtectedMode = 1;       // CR0.PE
constexpr uint64_t kExtensionType = 1 << 4;  // CR0.ET, fixed
constexpr uint64_t kReservedFlag = 2;        // RFLAGS bit 1, fixed

constexpr kvm_segment flat_segment(uint8_t type, uint16_t selector) {
    kvm_segment segment{};
    segment.limit = 0xffffffff;
    segment.selector = selector;
    segment.type = type;
    segment.present = 1;
    segment.db = 1;
    segment.s = 1;
    segment.g = 1;
    return segment;
}

}  // namespace

Status set_pvh_entry(const kvm::Vcpu& vcpu, uint32_t entry, uint64_t start_info) {
    constexpr uint8_t kExecuteRead = 0xb;
    constexpr uint8_t kReadWrite = 0x3;
    constexpr uint8_t kBusyTss = 0xb;
    kvm_sregs special = ANCHORHOLD_TRY(vcpu.special_registers());
    special.cs = flat_segment(kExecuteRead, 0x8);
    special.ds = special.es = special.fs = special.gs = special.ss = flat_segment(kReadWrite, 0x10);
    special.tr = kvm_segment{};
    special.tr.limit = 0x67;
    special.tr.selector = 0x18;
    special.tr.type = kBusyTss;
    special.tr.present = 1;
    special.cr0 = kProtectedMode | kExtensionType;
    special.cr4 = 0;
    ANCHORHOLD_TRY(vcpu.set_special_registers(special));

    kvm_regs registers{};
    registers.rip = entry;
    registers.rbx = start_info;
    registers.rflags = kReservedFlag;
    return vcpu.set_registers(registers);
}

}  // namespace anchorhold::vmm
