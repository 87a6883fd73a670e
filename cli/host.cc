// The probe's answer, kept per boot in the runtime folder.
#include "cli/host.h"

#include <cstdlib>

#include "base/sys.h"
#include "machine/kvm_probe.h"
#include "machine/runtime_folder.h"

namespace anchorhold::cli {

bool host_has_kvm() {
    if (std::getenv(kInMachineVariable) != nullptr) {  // NOLINT(concurrency-mt-unsafe)
        return true;
    }
    // A module reloaded with other parameters within one boot is rare; `anchorhold doctor` always
    // probes anew.
    const auto boot = sys::read_file("/proc/sys/kernel/random/boot_id", 64);
    const auto folder = machine::runtime_folder();
    if (!boot || !folder) {
        return machine::probe_kvm().usable;
    }
    const std::string remembered_in = *folder + "/kvm";
    const std::string yes = *boot + "usable\n";
    const std::string no = *boot + "unusable\n";
    const auto remembered = sys::read_file(remembered_in, 128);
    if (remembered && (*remembered == yes || *remembered == no)) {
        return *remembered == yes;
    }
    const bool usable = machine::probe_kvm().usable;
    [[maybe_unused]] const Status kept = sys::write_file(remembered_in, usable ? yes : no);
    return usable;
}

}  // namespace anchorhold::cli
