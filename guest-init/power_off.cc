// kill, sync, remount, reboot(2).
#include "guest-init/power_off.h"

#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

constexpr int kKillMilliseconds = 2000;

}  // namespace

Status end_everything(AgentCgroup* cgroup, int disk) {
    if (cgroup != nullptr) {
        cgroup->kill_everything(kKillMilliseconds);
    } else {
        ::kill(-1, SIGKILL);
    }
    if (::syncfs(disk) < 0) {
        return fail_errno("syncfs", "writable layer");
    }
    // A clean journal for whoever mounts the disk next. The mount has no path any more, only this
    // descriptor. Busy is no error: everything is on the disk already, the journal says the same.
    const std::string path = "/proc/self/fd/" + std::to_string(disk);
    if (::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) < 0) {
        log::info("remount of the writable layer: {}", errno_text(errno));
    }
    return {};
}

void reset_machine() {
    ::reboot(LINUX_REBOOT_CMD_RESTART);
    ::_exit(1);  // PID 1 leaving is a panic: as good an end as any
}

void cannot_start(const Error& error) {
    // <0> passes every console log level; without the newline the kernel would keep the line to
    // itself.
    const std::string line =
        "<0>anchorhold-init: cannot start: " + log::escaped(error.message) + "\n";
    // Our stderr is the kernel's log too once there is a /dev, and the only way to it once the root
    // was switched.
    const OwnFd log(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
    [[maybe_unused]] const Status told =
        sys::write_all(log.valid() ? log.get() : STDERR_FILENO, line);
    ::_exit(1);
}

}  // namespace anchorhold::guest_init
