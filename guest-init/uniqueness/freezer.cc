// cgroup.freeze written, cgroup.events watched.
#include "guest-init/uniqueness/freezer.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <string_view>

#include "base/log.h"

namespace anchorhold::guest_init {
namespace {

Status write_state(int control, char state) {
    if (::pwrite(control, &state, 1, 0) != 1) {
        return fail_errno("write", "cgroup.freeze");
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<CgroupFreezer>> CgroupFreezer::open(EventLoop& loop, int group) {
    OwnFd control(::openat(group, "cgroup.freeze", O_WRONLY | O_CLOEXEC));
    if (!control.valid()) {
        return fail_errno("open", "cgroup.freeze");
    }
    OwnFd events(::openat(group, "cgroup.events", O_RDONLY | O_CLOEXEC));
    if (!events.valid()) {
        return fail_errno("open", "cgroup.events");
    }
    return std::unique_ptr<CgroupFreezer>(
        new CgroupFreezer(loop, std::move(control), std::move(events)));
}

CgroupFreezer::~CgroupFreezer() {
    stop_watching();
}

Status CgroupFreezer::freeze(Frozen frozen) {
    stop_watching();
    ANCHORHOLD_TRY(write_state(control_.get(), '1'));
    // Reading also arms the notice of the next change.
    if (ANCHORHOLD_TRY(stands_still())) {
        frozen();
        return {};
    }
    ANCHORHOLD_TRY(loop_.add(events_.get(), EPOLLPRI, [this](uint32_t) { on_change(); }));
    watching_ = true;
    frozen_ = std::move(frozen);
    return {};
}

Status CgroupFreezer::thaw() {
    stop_watching();
    return write_state(control_.get(), '0');
}

Result<bool> CgroupFreezer::stands_still() const {
    char text[128];
    const ssize_t count = ::pread(events_.get(), text, sizeof text, 0);
    if (count <= 0) {
        return fail_errno("read", "cgroup.events");
    }
    return std::string_view(text, static_cast<size_t>(count)).find("frozen 1") !=
           std::string_view::npos;
}

void CgroupFreezer::on_change() {
    const auto still = stands_still();
    if (!still) {
        // Whoever waits has a deadline.
        log::error("freezer: {}", still.error().message);
        stop_watching();
        return;
    }
    if (*still) {
        const Frozen frozen = std::exchange(frozen_, {});
        stop_watching();
        frozen();
    }
}

void CgroupFreezer::stop_watching() {
    if (watching_) {
        loop_.remove(events_.get());
        watching_ = false;
    }
    frozen_ = {};
}

}  // namespace anchorhold::guest_init
