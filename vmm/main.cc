// anchorhold-vmm: one process, one virtual machine. Descriptor 3 is the supervisor's socket
// (proto/vmm_control.proto). Wall up, prepare, lock down, run.
#include <fcntl.h>

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/lock_down.h"
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
// How long the supervisor may take to read the last event.
constexpr Duration kLastWord = std::chrono::seconds(5);

Status run(TimePoint began) {
    ControlChannel channel(OwnFd(kControlSocket), kLastWord);
    OwnFd pagemap = ANCHORHOLD_TRY(sys::open("/proc/self/pagemap", O_RDONLY));
    ANCHORHOLD_TRY(give_up_privileges());
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
    log::configure("vmm", log::Level::kWarning);
    log::open_nothing_later();
    const Status ended = vmm::run(began);
    if (!ended) {
        log::error("{}", ended.error().message);
        return 1;
    }
    return 0;
}
