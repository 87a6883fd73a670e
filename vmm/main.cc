// anchorhold-vmm: one process, one virtual machine. Descriptor 3 is the supervisor's socket
// (proto/vmm_control.proto).
#include <sys/prctl.h>

#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "vmm/control/configuration.h"
#include "vmm/control/control_channel.h"
#include "vmm/control/session.h"
#include "vmm/footprint.h"

namespace anchorhold::vmm {
namespace {

constexpr int kControlSocket = 3;

// Nothing gains privileges, nothing of this user attaches.
Status lock_down() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_NO_NEW_PRIVS");
    }
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_DUMPABLE");
    }
    return {};
}

Status run(TimePoint began) {
    ControlChannel channel{OwnFd(kControlSocket)};
    Packet first = ANCHORHOLD_TRY(channel.receive());
    Session session(channel, began);
    Status ready = session.prepare(std::move(first));
    if (ready) {
        ready = lock_down();
    }
    return ready ? session.run() : session.report_failure(ready.error());
}

}  // namespace
}  // namespace anchorhold::vmm

int main() {
    using namespace anchorhold;
    const TimePoint began = steady_clock().now();
    vmm::limit_heap();
    const Status ended = vmm::run(began);
    if (!ended) {
        log::configure("vmm", log::Level::kError);
        log::error("{}", ended.error().message);
        return 1;
    }
    return 0;
}
