// What of a host's CPUID a guest may see at all: an allow-list. A feature that is not here is off,
// also one of a processor that is yet to be built.
#pragma once

#include <linux/kvm.h>

namespace anchorhold::vmm {

// Cuts `leaf` down to what a guest may see; false: nothing of it.
[[nodiscard]] bool allow_by_template(kvm_cpuid_entry2& leaf);

}  // namespace anchorhold::vmm
