// One command of the keyboard controller.
#include "vmm/devices/reset_port.h"

#include <algorithm>

namespace anchorhold::vmm {
namespace {

constexpr std::byte kPulseReset{0xfe};

}  // namespace

void ResetPort::read(uint64_t, std::span<std::byte> data) {
    std::fill(data.begin(), data.end(), std::byte{0});
}

void ResetPort::write(uint64_t, std::span<const std::byte> data) {
    if (data[0] == kPulseReset) {
        on_reset_();
    }
}

}  // namespace anchorhold::vmm
