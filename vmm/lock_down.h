// What is left of the system calls once a machine's parts are open: a list for each kind of thread,
// so that a VMM that a guest has taken over finds nothing to go on with.
#pragma once

#include <span>

#include "base/lock_down.h"
#include "base/result.h"

namespace anchorhold::vmm {

// The event loop's thread: devices, the control socket, snapshots. It opens and starts nothing.
[[nodiscard]] std::span<const AllowedCall> loop_calls();
// A vCPU's thread: KVM_RUN and what answers its exits.
[[nodiscard]] std::span<const AllowedCall> vcpu_calls();
// A disk's worker.
[[nodiscard]] std::span<const AllowedCall> disk_calls();

// Each on the thread that it is for, before the guest's first byte is looked at. They need
// no_new_privs.
[[nodiscard]] Status lock_down_loop();
[[nodiscard]] Status lock_down_vcpu();
[[nodiscard]] Status lock_down_disk();

}  // namespace anchorhold::vmm
