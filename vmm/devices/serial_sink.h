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

// What was written to the registers that read back.
using SerialRegisters = std::array<uint8_t, kSerialPorts>;

// 16550 registers (National Semiconductor PC16550D, §8). The transmitter is always ready; nothing
// is ever received.
class SerialSink final : public BusDevice {
  public:
    // The console outlives the port.
    explicit SerialSink(ConsoleTail& console) : console_(console) {}

    void read(uint64_t offset, std::span<std::byte> data) override;
    void write(uint64_t offset, std::span<const std::byte> data) override;

    [[nodiscard]] const SerialRegisters& save() const { return registers_; }
    void restore(const SerialRegisters& registers) { registers_ = registers; }

  private:
    ConsoleTail& console_;
    SerialRegisters registers_{};
};

}  // namespace anchorhold::vmm
