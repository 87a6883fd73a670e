// The machine's end of the multiplex: a named virtio-serial port.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::machine {

constexpr std::string_view kMuxPortName = "org.anchorhold.mux";

// Opens the port of that name, nonblocking, without udev: its device is found in
// /sys/class/virtio-ports. The driver learns of ports from messages of the host, so the port may
// appear a moment after the driver: waits up to `patience`.
[[nodiscard]] Result<OwnFd> open_mux_port(Duration patience);

// The device ("vport0p1") of the port called `name` among the folders of `ports`, "" where there is
// none.
[[nodiscard]] std::string find_port(const std::string& ports, std::string_view name);

}  // namespace anchorhold::machine
