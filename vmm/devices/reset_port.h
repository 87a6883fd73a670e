// The keyboard controller's command port, of which only the reset line is there.
#pragma once

#include <functional>
#include <utility>

#include "vmm/devices/bus.h"

namespace anchorhold::vmm {

constexpr uint64_t kKeyboardCommandPort = 0x64;

// i8042: command 0xfe pulses the processor's reset line, Linux's `reboot=k`. Its status says that
// it is idle.
class ResetPort final : public BusDevice {
  public:
    // `on_reset` runs on the vCPU's thread, under the DeviceLock.
    explicit ResetPort(std::function<void()> on_reset) : on_reset_(std::move(on_reset)) {}

    void read(uint64_t offset, std::span<std::byte> data) override;
    void write(uint64_t offset, std::span<const std::byte> data) override;

  private:
    std::function<void()> on_reset_;
};

}  // namespace anchorhold::vmm
