// anchorhold-vmm: one process, one virtual machine. Descriptor 3 is the supervisor's socket
// (proto/vmm_control.proto). Wall up, prepare, lock down, run.
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/jail.h"
#include "base/log.h"
#include "base/sys.h"
#include "vmm/control/configuration.h"
#include "vmm/control/control_channel.h"
#include "vmm/control/session.h"
#include "vmm/footprint.h"
#include "vmm/lock_down.h"

namespace anchorhold::vmm {
namespace {

constexpr int kControlSocket = 3;
// Above every user that hosts and their containers have: a VMM that root started becomes the one
// with its process number.
constexpr uid_t kFirstUser = 0x7000'0000;
// How long the supervisor may take to read the last event.
constexpr Duration kLastWord = std::chrono::seconds(5);

// This process's number where it was started, which is not the one of its own namespace.
Result<uid_t> outer_number() {
    std::array<char, 16> text{};
    const ssize_t size = ::readlink("/proc/self", text.data(), text.size());
    uid_t number = 0;
    if (size < 0 || std::from_chars(text.data(), text.data() + size, number).ec != std::errc()) {
        return fail_errno("readlink", "/proc/self");
    }
    return number;
}

// Where this host gives no namespaces the filters are the only wall: doctor says so.
Status wall_up() {
    const uid_t user = kFirstUser + ANCHORHOLD_TRY(outer_number());
    ANCHORHOLD_TRY(
        enter_jail({.namespaces = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
                    .user = user,
                    .limits = {{RLIMIT_MEMLOCK, 0}, {RLIMIT_MSGQUEUE, 0}, {RLIMIT_NOFILE, 4096}}}));
    return {};
}

Status run(TimePoint began) {
    ControlChannel channel(OwnFd(kControlSocket), kLastWord);
    OwnFd pagemap = ANCHORHOLD_TRY(sys::open("/proc/self/pagemap", O_RDONLY));
    ANCHORHOLD_TRY(wall_up());
    Packet first = ANCHORHOLD_TRY(channel.receive());
    Session session(channel, std::move(pagemap), began);
    Status ready = session.prepare(std::move(first));
    if (ready) {
        ready = lock_down_loop();
    }
    return ready ? session.run() : session.report_failure(ready.error());
}

}  // namespace
}  // namespace anchorhold::vmm

int main() {
    using namespace anchorhold;
    const TimePoint began = steady_clock().now();
    vmm::limit_heap();
    log::configure("vmm", log::Level::kError);
    log::open_nothing_later();
    const Status ended = vmm::run(began);
    if (!ended) {
        log::error("{}", ended.error().message);
        return 1;
    }
    return 0;
}
