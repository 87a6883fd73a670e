// Looks at each port's name in sysfs.
#include "machine/mux_port.h"

#include <fcntl.h>

#include <filesystem>
#include <thread>

#include "base/sys.h"

namespace anchorhold::machine {
namespace {

constexpr const char* kPorts = "/sys/class/virtio-ports";
constexpr auto kRetry = std::chrono::milliseconds(2);

}  // namespace

std::string find_port(const std::string& ports, std::string_view name) {
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(ports, failed)) {
        const auto found = sys::read_file(entry.path().string() + "/name");
        if (found && std::string_view(*found).substr(0, found->find('\n')) == name) {
            return entry.path().filename().string();
        }
    }
    return {};
}

Result<OwnFd> open_mux_port(Duration patience) {
    const TimePoint deadline = steady_clock().now() + patience;
    std::string device = find_port(kPorts, kMuxPortName);
    // Neither sysfs nor devtmpfs tells when a port gets its name, so ask again.
    while (device.empty() && steady_clock().now() < deadline) {
        std::this_thread::sleep_for(kRetry);
        device = find_port(kPorts, kMuxPortName);
    }
    if (device.empty()) {
        return fail("no virtio-serial port " + std::string(kMuxPortName) + " in " + kPorts);
    }
    return sys::open("/dev/" + device, O_RDWR | O_NONBLOCK);
}

}  // namespace anchorhold::machine
