// Reading tables whose length the kernel decides.
#include "vmm/kvm/tables.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "vmm/kvm/ioctl.h"

namespace anchorhold::vmm::kvm {

Result<std::vector<kvm_cpuid_entry2>> read_cpuid_table(int fd, unsigned long request,
                                                       std::string_view name) {
    constexpr size_t kMaxEntries = 256;  // KVM_MAX_CPUID_ENTRIES
    const TableHeader room{.count = kMaxEntries};
    std::vector<std::byte> table(sizeof room + kMaxEntries * sizeof(kvm_cpuid_entry2));
    std::memcpy(table.data(), &room, sizeof room);
    ANCHORHOLD_TRY(call(fd, request, name, table.data()));
    TableHeader got;
    std::memcpy(&got, table.data(), sizeof got);
    std::vector<kvm_cpuid_entry2> leaves(std::min<size_t>(got.count, kMaxEntries));
    std::memcpy(leaves.data(), table.data() + sizeof got, leaves.size() * sizeof leaves[0]);
    return leaves;
}

}  // namespace anchorhold::vmm::kvm
