// The MP table: how a kernel without ACPI learns of its processors and of the IOAPIC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace anchorhold::vmm {

// A floating pointer and, behind it, the configuration table it points to (MultiProcessor
// Specification 1.4, §4), to be copied to layout::kMpTable. `vcpus` is 1 to layout::kMaxVcpus;
// local APIC ids are 0 to vcpus - 1. Every ISA interrupt is routed to the IOAPIC pin of its number,
// edge-triggered and active high.
std::vector<std::byte> mp_table(uint32_t vcpus);

}  // namespace anchorhold::vmm
