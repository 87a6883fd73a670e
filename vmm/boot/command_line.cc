// Why each argument is there is said beside it.
#include "vmm/boot/command_line.h"

#include <fmt/format.h>

namespace anchorhold::vmm {
namespace {

constexpr std::string_view kArguments[] = {
    // kvm-clock and the TSC are trusted: no calibration, no check against a timer that is not
    // there.
    "tsc=reliable", "no_timer_check",
    // The entropy device comes late; RDRAND seeds the first users.
    "random.trust_cpu=on",
    // What is not there need not be looked for.
    "8250.nr_uarts=0", "i8042.noaux", "i8042.nokbd", "pci=off", "swiotlb=noforce",
    "cryptomgr.notests",
    // A reset through the keyboard controller, at once: the VMM's sign that the guest has ended.
    "reboot=k", "panic=-1",
    // Panics are caught from port 0x3f8, with no driver.
    "earlyprintk=serial,ttyS0,115200,keep"};

}  // namespace

std::string kernel_command_line(KernelOutput output, std::span<const DevicePlace> devices,
                                std::string_view additional) {
    std::string line = output == KernelOutput::kEverything ? "loglevel=7" : "quiet";
    for (const std::string_view argument : kArguments) {
        line.append(" ").append(argument);
    }
    for (const DevicePlace& device : devices) {
        line += fmt::format(" virtio_mmio.device=4K@{:#x}:{}", device.address, device.interrupt);
    }
    if (!additional.empty()) {
        line.append(" ").append(additional);
    }
    return line;
}

}  // namespace anchorhold::vmm
