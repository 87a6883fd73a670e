// One machine's life as the supervisor sees it: commands become calls, happenings become events.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/vmm_control.pb.h"
#include "vmm/control/configuration.h"
#include "vmm/control/control_channel.h"
#include "vmm/machine/machine.h"

namespace anchorhold::vmm {

class Session {
  public:
    // `began` is when the process did, `pagemap` its own. The channel outlives the session.
    Session(ControlChannel& channel, OwnFd pagemap, TimePoint began);

    // Opens and starts everything that the machine or the shell of the packet needs, and looks at
    // nothing of a guest's. Afterwards nothing more is opened.
    Status prepare(Packet first);
    // Runs the machine, or waits for what the shell will be, to its end and reports that. An error
    // when the end could not be reported.
    Status run();
    // Reports that the machine could not be built or started.
    Status report_failure(const Error& error);

  private:
    Status build(FirstPacket first, Machine::Handlers handlers);
    Status begin();
    void obey(proto::VmmCommand command, std::vector<OwnFd> fds);
    void connect(const proto::Connect& request, std::vector<OwnFd> fds);
    void restore(const proto::Restore& request, std::vector<OwnFd> fds);
    void pause();
    void go_on(const proto::Run& request);
    void shed_soon();
    void snapshot(const proto::Snapshot& request, std::vector<OwnFd> fds);
    void record_working_set(const proto::RecordWorkingSet& request, std::vector<OwnFd> fds);
    void send_snapshotted(Result<proto::Snapshotted> done);
    void send_statistics();
    Status report_end(const MachineEnd& end);

    ControlChannel& channel_;
    OwnFd pagemap_;
    proto::Started times_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<Machine> machine_;
    MachineEnd end_;
    std::optional<BootConfiguration> boot_;  // of a machine that boots, until it does
    EventLoop::TimerId shedding_ = 0;
    bool supervisor_gone_ = false;
};

}  // namespace anchorhold::vmm
