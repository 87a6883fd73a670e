// Is this a host that can run microVMs?
#pragma once

namespace anchorhold::cli {

// Set in the environment of an `anchorhold` that runs inside the emulated host.
constexpr const char* kInMachineVariable = "ANCHORHOLD_IN_MACHINE";

// Whether /dev/kvm runs 64-bit ring-0 code here. Probed once per boot of the host and remembered in
// the runtime folder; always true inside the emulated host, which told so when it came up.
[[nodiscard]] bool host_has_kvm();

}  // namespace anchorhold::cli
