// Any bytes as the payload of a state file: what is accepted means the same after another round.
#include "base/check.h"
#include "sealed_input.h"
#include "vmm/snapshot/machine_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    const auto state = vmm::decode_machine_state({reinterpret_cast<const char*>(data), size});
    fuzz::expect_one_line(state);
    if (state) {
        const std::string written = vmm::encode(*state);
        const auto again = vmm::decode_machine_state(written);
        ANCHORHOLD_CHECK(again && vmm::encode(*again) == written);
    }
    return 0;
}
