// The system calls an agent does not get. A second wall: the kernel's own checks and empty
// capability sets are the first, and nothing outside the VM relies on either.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "guest-init/bpf_program.h"

namespace anchorhold::guest_init {

// One line per rule, with its reason.
[[nodiscard]] const FilterDescription& agent_filter_description();

// The assembled filter.
[[nodiscard]] std::vector<sock_filter> agent_filter();

}  // namespace anchorhold::guest_init
