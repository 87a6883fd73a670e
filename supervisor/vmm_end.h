// Why a VMM ended, in one line for a person.
#pragma once

#include <string>

#include "proto/vmm_control.pb.h"

namespace anchorhold::supervisor {

// `image` is the file that the guest started from. Everything of the guest's or the VMM's is
// escaped.
[[nodiscard]] std::string describe_end(const proto::Ended& ended, const std::string& image);

}  // namespace anchorhold::supervisor
