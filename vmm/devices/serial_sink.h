// A serial port that is only written to: enough of a 16550 for early kernel messages, and no
// interrupts.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/devices/bus.h"
#include "vmm/devices/console_tail.h"

namespace anchorhold::vmm {

constexpr uint64_t kSerialPort = 0x3f8;
constexpr uint64_t kSerialPorts = 8;

// 16550 registers (National Semiconductor PC16550D, §8). The transmitter is always ready; nothing
// is ever received.
class SerialSink final : public BusDevice {
  public:
    // The console outlives the port.
    explicit SerialSink(ConsoleTail& console) : console_(console) {}

    void read(uint64_t offset, std::span<std::byte> data) override;
    void write(uint64_t offset, std::span<const std::byte> data) override;

  private:
    ConsoleTail& console_;
    std::array<uint8_t, kSerialPorts> registers_{};  // what was written, for those that read back
};

}  // namespace anchorhold::vmm
