// The virtual machine as a whole: memory, processors, devices, and what ends it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "proto/vmm_control.pb.h"
#include "snapshot/page_copier.h"
#include "snapshot/working_set.h"
#include "vmm/control/configuration.h"
#include "vmm/devices/bus.h"
#include "vmm/devices/console_tail.h"
#include "vmm/devices/reset_port.h"
#include "vmm/devices/serial_sink.h"
#include "vmm/kvm/system.h"
#include "vmm/kvm/vm.h"
#include "vmm/machine/device_set.h"
#include "vmm/machine/device_wires.h"
#include "vmm/machine/machine_end.h"
#include "vmm/machine/paged_memory.h"
#include "vmm/machine/vcpu_thread.h"
#include "vmm/snapshot/machine_state.h"

namespace anchorhold::vmm {

// Where a snapshot goes. `memory` is unused with Memory::kShare.
struct SnapshotTargets {
    enum class Memory : uint8_t {
        kCopy,   // all pages that are not zero are written to `memory`
        kShare,  // the machine's shared memory file is the snapshot; the machine goes on with
                 // private pages
    } how = Memory::kCopy;
    OwnFd state;
    OwnFd memory;
};

// Made, used and destroyed on the loop's thread; the vCPUs have threads of their own while it runs.
// A shell (prepare) becomes a machine by load() or restore(), and runs from start() to pause() or
// stop().
class Machine {
  public:
    // All are called on the loop's thread.
    struct Handlers {
        std::function<void(MachineEnd)> on_end;            // once; call stop() then
        std::function<void(std::string line)> on_console;  // only with Console::kForwarded
        DeviceSet::FailureHandler on_backend_failure;
    };

    // Everything of KVM: VM, interrupt controller, vCPUs, memory slots over memory that is not
    // there yet, the devices' event descriptors; and every thread, behind a filter of its own.
    // Fills create_vm_ns and created_ns. Afterwards nothing more is opened or started.
    static Result<std::unique_ptr<Machine>> prepare(ShellConfiguration configuration,
                                                    EventLoop& loop, Handlers handlers,
                                                    proto::Started& times);
    ~Machine() { stop(); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Makes the shell a machine at its first instruction. Fills loaded_ns. Errors say which part
    // failed: "kernel: …", "memory: …". `configuration.shell` has been used.
    Status load(BootConfiguration configuration, proto::Started& times);
    // Makes the shell the machine of a snapshot, paused. Fills all times but run_ns.
    Status restore(RestoreConfiguration configuration, proto::Restored& times);

    // Starts the vCPUs; completes `times`.
    Status start(proto::Started& times);
    Status start(proto::Restored& times);
    // Lets a paused machine go on. One that has not run since it was restored goes on with its
    // clocks where they stood; `stood_still_tsc` ticks of the host's TSC have passed.
    Status run(uint64_t stood_still_tsc);
    [[nodiscard]] bool running() const { return running_; }

    // Ends the vCPU threads after whole instructions, waits for the disks, then calls `on_paused`,
    // from the loop. A machine that ends meanwhile reports that instead.
    void pause(std::function<void()> on_paused);

    // Of a paused machine. Errors leave it as it was, and the targets unusable.
    Result<proto::Snapshotted> snapshot(SnapshotTargets targets);
    // Of a paused machine that was restored: which pages it used since, into the file `target`.
    Result<proto::Snapshotted> record_working_set(const OwnFd& target);

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
    Status create_kvm(ShellConfiguration& configuration, proto::Started& times);
    Status attach(Attachments attachments);
    Status back_memory(RestoreConfiguration& configuration);
    Result<snapshot::WorkingSet> read_working_set(const RestoreConfiguration& configuration);
    uint64_t prefault(std::span<const snapshot::PageRange> ranges);
    Status restore_state(const MachineState& state);
    Result<MachineState> save_state();
    Status load_boot_data(BootConfiguration& configuration);
    void add_ports();
    Status set_back_clocks(uint64_t ticks);
    Status start_vcpus();
    void stop_vcpus();
    void wait_for_disks(std::function<void()> then);
    void end(MachineEnd reason);  // any thread

    EventLoop& loop_;
    Handlers handlers_;
    bool ended_ = false;  // on_end was called
    bool running_ = false;
    virtio::DeviceLock lock_;
    ConsoleTail console_;
    SerialSink serial_;
    ResetPort reset_port_;
    Bus ports_;
    Bus registers_;
    std::unique_ptr<memory::GuestMemory> memory_;
    std::unique_ptr<PagedMemory> paged_;  // only where a pager fills the memory
    std::unique_ptr<kvm::System> system_;
    std::unique_ptr<kvm::Vm> vm_;
    std::vector<DeviceWires> wires_;                   // until the devices take them
    std::optional<snapshot::PageCopier> page_copier_;  // of a shell; gone with what it becomes
    OwnFd pagemap_;                                    // of this process
    std::unique_ptr<DeviceSet> devices_;
    VcpuEnvironment vcpu_environment_;
    std::vector<std::unique_ptr<VcpuThread>> vcpus_;
    // What clocks and timers were restored to; empty once they have gone on.
    struct StoppedClocks {
        uint64_t clock_ns = 0;
        std::vector<uint64_t> deadlines;
    };
    std::optional<StoppedClocks> stopped_clocks_;
    EventLoop::TimerId disk_wait_ = 0;
};

}  // namespace anchorhold::vmm
