// One anchorhold-pager: started with a snapshot's memory, watched until it ends, and with it the
// guest whose memory it serves (proto/pager.proto).
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"
#include "supervisor/installation.h"
#include "supervisor/snapshot_files.h"

namespace anchorhold::supervisor {

// Belongs to its event loop's thread. The process is killed and reaped in the destructor: not
// before the VMM has ended, whose faults would wait for ever.
class PagerProcess {
  public:
    // The memory is served no further. Once; `why` is one line for a person. Not called for a
    // pager that ends because its VMM did.
    using OnFailed = std::function<void(const std::string& why)>;

    // What the VMM needs to reach it: Restore's pager_fd and userfaultfd_fd.
    struct VmmSide {
        OwnFd socket;
        OwnFd device;
    };
    struct Started {
        std::unique_ptr<PagerProcess> pager;
        VmmSide vmm;
    };

    // Starts the process, gives it the files of `files` and does not wait. The working set, where
    // there is one, is filled in ahead.
    static Result<Started> start(EventLoop& loop, const Installation& installation,
                                 const SnapshotFiles& files, OnFailed on_failed);
    // Takes over one that another supervisor started: its control socket and its pidfd.
    static Result<std::unique_ptr<PagerProcess>> adopt(EventLoop& loop, OwnFd control, OwnFd pidfd,
                                                       OnFailed on_failed);
    ~PagerProcess();
    PagerProcess(const PagerProcess&) = delete;
    PagerProcess& operator=(const PagerProcess&) = delete;

    // Why it failed, where it said so by now. Its word is here before its VMM can notice.
    std::optional<std::string> failure();

    [[nodiscard]] pid_t pid() const { return child_.pid(); }
    // Borrowed: what adopt() needs, for whoever keeps it.
    [[nodiscard]] int control() const { return control_.get(); }
    [[nodiscard]] int pidfd() const { return child_.pidfd(); }
    // Forgets the process, which runs on for as long as somebody holds its control socket; only the
    // destructor may follow.
    void let_go();

  private:
    PagerProcess(EventLoop& loop, Child child, OwnFd control, OnFailed on_failed)
        : loop_(loop),
          child_(std::move(child)),
          control_(std::move(control)),
          on_failed_(std::move(on_failed)) {}
    Status watch();
    void receive();
    void ended();
    void tell();

    EventLoop& loop_;
    Child child_;
    OwnFd control_;
    OnFailed on_failed_;
    std::optional<std::string> failure_;
    bool said_all_ = false;  // its last packet was read, or none can follow
    bool orderly_ = false;   // it ends because its VMM did
};

}  // namespace anchorhold::supervisor
