// The command line of the machine's QEMU: images/machine/qemu-args says it, so that people, benches
// and we run the same one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace anchorhold::machine {

struct QemuRequest {
    std::string script;   // qemu-args
    std::string image;    // folder of the kernel and initrd
    std::string tree;     // exported as the root
    std::string share;    // exported as the share
    std::string console;  // file of the machine's console
    std::string flavour;  // "normal" or "bench"
    uint32_t memory_mib = 0;
    uint32_t cpus = 0;
    int mux = -1;  // descriptor of the multiplex in QEMU
};

// The arguments, the program's absolute path first. Runs the script: tens of milliseconds.
[[nodiscard]] Result<std::vector<std::string>> qemu_command(const QemuRequest& request);

}  // namespace anchorhold::machine
