// The host's side of one machine: owns QEMU, joins client connections to the multiplex, answers the
// control socket.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"
#include "machine/control_peer.h"
#include "machine/mux_bridge.h"
#include "proto/machine.pb.h"

namespace anchorhold::machine {

// How long a machine may take until its agent says hello. TCG on a busy host is slow; a hang is for
// ever.
constexpr Duration kBootPatience = std::chrono::seconds(180);
// How long a machine that was told to power off may take.
constexpr Duration kStopPatience = std::chrono::seconds(5);

class Relay {
  public:
    // Starts QEMU with the multiplex as descriptor 3. It dies with the calling thread. The
    // listeners are nonblocking. Runs until the machine has ended and every waiting client was
    // told; then the loop stops.
    static Result<std::unique_ptr<Relay>> start(EventLoop& loop, const proto::RelaySetup& setup,
                                                OwnFd exec_listener, OwnFd control_listener);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    // Powers the machine off; after kStopPatience it is killed.
    void stop();

  private:
    Relay(EventLoop& loop, const proto::RelaySetup& setup, OwnFd exec_listener,
          OwnFd control_listener);
    Status spawn_qemu();
    Status watch();
    void kill_qemu(const std::string& why);
    void handle_loss(const Error& error);
    void handle_hello(const proto::MuxHello& hello);
    void handle_end();
    void accept_exec();
    void accept_control();
    void handle_request(ControlPeer& peer, const proto::RelayRequest& request);
    void answer_waiting();
    void note_idle();
    [[nodiscard]] proto::RelayStatus status() const;
    [[nodiscard]] bool ended() const;

    EventLoop& loop_;
    proto::RelaySetup setup_;
    OwnFd exec_listener_;
    OwnFd control_listener_;
    Child qemu_;
    uint32_t qemu_pid_ = 0;
    std::unique_ptr<MuxBridge> bridge_;
    std::list<std::unique_ptr<ControlPeer>> peers_;
    proto::RelayStatus::State state_ = proto::RelayStatus::STARTING;
    std::string error_;  // why it failed
    // The multiplex broke and QEMU has not ended yet: nothing can be served, and whoever comes now
    // wants the next machine.
    bool lost_ = false;
    bool kvm_usable_ = false;
    TimePoint started_;
    Duration boot_time_ = Duration::zero();
    EventLoop::TimerId deadline_ = 0;  // of the boot, later of the stop
    EventLoop::TimerId idle_ = 0;
};

}  // namespace anchorhold::machine
