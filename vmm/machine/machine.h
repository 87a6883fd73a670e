// The virtual machine as a whole: memory, processors, devices, and what ends it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "proto/vmm_control.pb.h"
#include "vmm/control/configuration.h"
#include "vmm/devices/bus.h"
#include "vmm/devices/console_tail.h"
#include "vmm/devices/reset_port.h"
#include "vmm/devices/serial_sink.h"
#include "vmm/kvm/vm.h"
#include "vmm/machine/device_set.h"
#include "vmm/machine/machine_end.h"
#include "vmm/machine/vcpu_thread.h"

namespace anchorhold::vmm {

// Made, used and destroyed on the loop's thread; the vCPUs have threads of their own between
// start() and stop().
class Machine {
  public:
    // All are called on the loop's thread.
    struct Handlers {
        std::function<void(MachineEnd)> on_end;            // once; call stop() then
        std::function<void(std::string line)> on_console;  // only with Console::kForwarded
        DeviceSet::FailureHandler on_backend_failure;
    };

    // Everything that opens or allocates, the kernel in memory, no vCPU running yet. Fills the
    // times of its phases into `times`. Errors say which part failed: "kernel: …", "memory: …".
    static Result<std::unique_ptr<Machine>> build(Configuration configuration, EventLoop& loop,
                                                  Handlers handlers, proto::Started& times);
    ~Machine() { stop(); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Starts the vCPUs; completes `times`.
    Status start(proto::Started& times);
    // Ends the vCPU threads. Nothing touches the guest afterwards but the handlers of the devices.
    void stop();
    // After stop(): lets what the guest sent before its end reach its streams and disks, as far as
    // it can without waiting.
    Status deliver_last_words();

    // Opens a stream to a port of the guest.
    Status connect(uint32_t guest_port, OwnFd stream);
    void set_balloon(uint64_t target_bytes);
    [[nodiscard]] proto::Statistics statistics();
    [[nodiscard]] std::string console_tail();

  private:
    Machine(EventLoop& loop, Handlers handlers, Console console);
    Status create_kvm(Configuration& configuration, proto::Started& times);
    Status load(Configuration& configuration);
    void add_ports();
    void end(MachineEnd reason);  // any thread

    EventLoop& loop_;
    Handlers handlers_;
    bool ended_ = false;  // on_end was called
    virtio::DeviceLock lock_;
    ConsoleTail console_;
    SerialSink serial_;
    ResetPort reset_port_;
    Bus ports_;
    Bus registers_;
    std::unique_ptr<memory::GuestMemory> memory_;
    std::unique_ptr<kvm::Vm> vm_;
    std::unique_ptr<DeviceSet> devices_;
    VcpuEnvironment vcpu_environment_;
    std::vector<std::unique_ptr<VcpuThread>> vcpus_;
};

}  // namespace anchorhold::vmm
