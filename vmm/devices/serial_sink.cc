// Register by register.
#include "vmm/devices/serial_sink.h"

#include <algorithm>
#include <cstddef>

namespace anchorhold::vmm {
namespace {

enum Register : uint64_t {
    kData = 0,
    kInterruptEnable = 1,
    kInterruptIdentity = 2,
    kLineControl = 3,
    kModemControl = 4,
    kLineStatus = 5,
    kModemStatus = 6,
    kScratch = 7,
};
constexpr uint8_t kDivisorLatch = 0x80;  // in line control: registers 0 and 1 are the divisor
constexpr uint8_t kNoInterrupt = 0x01;
constexpr uint8_t kTransmitterEmpty = 0x60;  // THRE and TEMT
constexpr uint8_t kCarrierAndClear = 0xb0;   // DCD, DSR and CTS

}  // namespace

void SerialSink::read(uint64_t offset, std::span<std::byte> data) {
    std::fill(data.begin(), data.end(), std::byte{0});
    switch (offset) {
        case kInterruptIdentity:
            data[0] = std::byte{kNoInterrupt};
            break;
        case kLineStatus:
            data[0] = std::byte{kTransmitterEmpty};
            break;
        case kModemStatus:
            data[0] = std::byte{kCarrierAndClear};
            break;
        case kInterruptEnable:
        case kLineControl:
        case kModemControl:
        case kScratch:
            data[0] = std::byte{registers_[offset]};
            break;
        default:
            break;
    }
}

void SerialSink::write(uint64_t offset, std::span<const std::byte> data) {
    const auto value = std::to_integer<uint8_t>(data[0]);
    const bool divisor = (registers_[kLineControl] & kDivisorLatch) != 0;
    if (offset == kData && !divisor) {
        console_.append(static_cast<char>(value));
        return;
    }
    if (offset < registers_.size() && !(divisor && offset <= kInterruptEnable)) {
        registers_[offset] = value;
    }
}

}  // namespace anchorhold::vmm
