// One anchorhold-vmm: started with its descriptors, commanded over its control socket, reaped.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::supervisor {

// Belongs to its event loop's thread. The process is killed and reaped in the destructor.
class VmmProcess {
  public:
    struct Handlers {
        std::function<void(const proto::VmmEvent&)> on_event;
        // The process ended; called once, after the last event. `how` is one line, empty for an
        // ordinary exit.
        std::function<void(const std::string& how)> on_end;
    };

    // Starts `program` and sends its first command, whose *_fd fields index `fds`. Neither waits
    // for the VMM to answer.
    static Result<std::unique_ptr<VmmProcess>> start(EventLoop& loop, const std::string& program,
                                                     const proto::VmmCommand& first,
                                                     std::span<const int> fds, Handlers handlers);
    // Takes over one that another supervisor started (adopt.cc): its control socket and its pidfd.
    // Its exit status is not ours to learn: on_end says nothing about it.
    static Result<std::unique_ptr<VmmProcess>> adopt(EventLoop& loop, OwnFd control, OwnFd pidfd,
                                                     Handlers handlers);
    ~VmmProcess();
    VmmProcess(const VmmProcess&) = delete;
    VmmProcess& operator=(const VmmProcess&) = delete;

    // Opens a stream to a port in the guest. Bytes may be written at once; end of file comes back
    // when the guest refuses.
    Result<OwnFd> connect(uint32_t port);
    Status send(const proto::VmmCommand& command, std::span<const int> fds = {});

    // Whoever hears of events from now on. Not from inside a handler.
    void set_handlers(Handlers handlers) { handlers_ = std::move(handlers); }

    [[nodiscard]] pid_t pid() const { return child_.pid(); }
    // SIGKILL. on_end follows from the event loop.
    void kill();

    // Borrowed: what adopt() needs, for whoever keeps it.
    [[nodiscard]] int control() const { return control_.get(); }
    [[nodiscard]] int pidfd() const { return child_.pidfd(); }
    // Forgets the process, which runs on for as long as somebody holds its control socket; only the
    // destructor may follow.
    void let_go();

  private:
    VmmProcess(EventLoop& loop, Child child, OwnFd control, Handlers handlers);
    Status watch();
    void receive(size_t most);
    void give_up(std::string why);
    void expect_end();
    void ended();

    EventLoop& loop_;
    Child child_;
    OwnFd control_;
    Handlers handlers_;
    std::string broken_;  // why the control channel was given up
    EventLoop::TimerId farewell_ = 0;
};

}  // namespace anchorhold::supervisor
