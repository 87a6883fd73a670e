// A VMM that waits for what it will be: its process, VM and vCPUs exist, it is nobody's yet.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/vmm_control.pb.h"
#include "supervisor/installation.h"
#include "supervisor/snapshot_files.h"
#include "supervisor/vmm_process.h"

namespace anchorhold::supervisor {

// Belongs to its event loop's thread. Destroyed, it leaves nothing.
class Shell {
  public:
    struct Handlers {
        std::function<void()> on_prepared = nullptr;
        // It died before anybody used it; one line.
        std::function<void(const std::string& why)> on_end = nullptr;
    };

    // Starts the VMM and does not wait.
    static Result<std::unique_ptr<Shell>> start(EventLoop& loop, const Installation& installation,
                                                const MachineShape& shape, Handlers handlers);
    // Has the disk of a sandbox ready, too: a clone of the snapshot's, which stays as it is
    // meanwhile.
    Status prepare_disk(const SnapshotFiles& files);
    Shell(const Shell&) = delete;
    Shell& operator=(const Shell&) = delete;

    // True once everything that can be prepared is. A Restore sent earlier waits in the socket.
    [[nodiscard]] bool prepared() const { return prepared_; }
    [[nodiscard]] const MachineShape& shape() const { return shape_; }
    [[nodiscard]] const proto::Prepared& times() const { return times_; }
    [[nodiscard]] uint64_t spawned_ns() const { return spawned_; }
    [[nodiscard]] pid_t pid() const { return vmm_->pid(); }

    // The disk that was prepared, if any. Once.
    [[nodiscard]] OwnFd take_disk() { return std::move(disk_); }
    // Gives the process away; events go to `handlers` from now on. Once.
    std::unique_ptr<VmmProcess> take(VmmProcess::Handlers handlers);

  private:
    Shell(MachineShape shape, Handlers handlers) : shape_(shape), handlers_(std::move(handlers)) {}

    MachineShape shape_;
    Handlers handlers_;
    OwnFd disk_;
    std::unique_ptr<VmmProcess> vmm_;
    proto::Prepared times_;
    uint64_t spawned_ = 0;
    bool prepared_ = false;
};

}  // namespace anchorhold::supervisor
