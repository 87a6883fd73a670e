// One VM that never runs, for as long as the machine does.
//
// KVM patches the running kernel when its first VM comes and when its last one goes (preemption
// notifiers, virtualisation enabled on each processor), and when the first LAPIC is switched off or
// the last one on. Under multi-threaded TCG such a patch can be seen half done by another
// processor, which then dies of the breakpoint that the patch goes through. A host with tenants
// never sees these moments either: some VM is always there.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::machine {

// Holds the VM, its interrupt controllers and a vCPU with its LAPIC in the state of reset.
class KvmKeeper {
  public:
    static Result<KvmKeeper> create();

  private:
    OwnFd vm_;
    OwnFd vcpu_;
};

}  // namespace anchorhold::machine
