// Why a machine stopped.
#pragma once

#include <cstdint>
#include <string>

namespace anchorhold::vmm {

struct MachineEnd {
    enum class Reason : uint8_t {
        kReset,   // the guest asked for a reset: an orderly end, or the last act of a panic
        kCrash,   // triple fault, or an exit that cannot be handled
        kFailed,  // the host could not go on
    };
    Reason reason = Reason::kReset;
    std::string detail;  // one line for a person; empty for an orderly end
};

}  // namespace anchorhold::vmm
