// Prepare, and waiting for somebody who wants it.
#include "supervisor/shell.h"

#include <fcntl.h>

#include <utility>

#include "base/log.h"
#include "base/sys.h"
#include "supervisor/disk.h"
#include "supervisor/timeline.h"

namespace anchorhold::supervisor {

Result<std::unique_ptr<Shell>> Shell::start(EventLoop& loop, const Installation& installation,
                                            const MachineShape& shape, Handlers handlers) {
    std::unique_ptr<Shell> shell(new Shell(shape, std::move(handlers)));
    const OwnFd kvm = ANCHORHOLD_TRY(sys::open(installation.kvm, O_RDWR));
    proto::VmmCommand command;
    proto::Prepare& prepare = *command.mutable_prepare();
    prepare.set_vcpus(shape.cpus);
    prepare.set_memory_bytes(shape.memory_bytes);
    prepare.set_disks(shape.disks);
    prepare.set_kvm_fd(0);
    const int passed = kvm.get();
    shell->spawned_ = monotonic_ns();
    Shell* self = shell.get();
    VmmProcess::Handlers vmm;
    vmm.on_event = [self](const proto::VmmEvent& event) {
        if (event.has_prepared()) {
            self->times_ = event.prepared();
            self->prepared_ = true;
            if (self->handlers_.on_prepared) {
                self->handlers_.on_prepared();
            }
        } else if (event.has_ended()) {
            log::warning("a prepared VMM ended: {}", log::escaped(event.ended().detail(), 300));
        }
    };
    vmm.on_end = [self](const std::string& how) {
        if (self->handlers_.on_end) {
            self->handlers_.on_end(how);
        }
    };
    shell->vmm_ = ANCHORHOLD_TRY(
        VmmProcess::start(loop, installation.vmm, command, {&passed, 1}, std::move(vmm)));
    return shell;
}

Status Shell::prepare_disk(const SnapshotFiles& files) {
    if (files.disk.valid()) {
        disk_ = ANCHORHOLD_TRY(clone_disk(files.disk.get(), default_disk_folder()));
    }
    return {};
}

std::unique_ptr<VmmProcess> Shell::take(VmmProcess::Handlers handlers) {
    vmm_->set_handlers(std::move(handlers));
    return std::move(vmm_);
}

}  // namespace anchorhold::supervisor
