// What a start costs besides time: page faults, exits, nested page faults.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace anchorhold::bench {

// Named counts, as they stand: "kvm.io_exits", "faults.minor". What this host does not tell is
// absent.
using Counters = std::map<std::string, uint64_t>;

// Of a running VMM and of what it started:
//   faults.minor, faults.major  of the process, proc_pid_stat(5)
//   cpu.vmm_ns                  CPU time of its threads, guest included, proc_pid_schedstat
//   kvm.<name>                  KVM's statistics of its VM, from debugfs (Documentation/virt/kvm);
//   only where
//                               that is mounted and readable. Those that are 0 are left out.
// `root` is "/" outside tests; of process 0: none.
[[nodiscard]] Counters read_counters(const std::string& root, pid_t vmm);

// What was counted since; a count that is 0 is left out.
[[nodiscard]] Counters since(const Counters& before, const Counters& now);

// The folder of KVM's debugfs that is the VM's that this process made; empty: there is none.
[[nodiscard]] std::string kvm_statistics_folder(const std::string& debugfs, pid_t vmm);

}  // namespace anchorhold::bench
