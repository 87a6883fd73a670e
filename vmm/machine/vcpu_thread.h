// A thread that runs one vCPU and answers its exits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/parked_thread.h"
#include "base/result.h"
#include "virtio/device.h"
#include "vmm/devices/bus.h"
#include "vmm/kvm/vcpu.h"
#include "vmm/machine/machine_end.h"

namespace anchorhold::vmm {

// What all vCPUs of a machine share; outlives their threads.
struct VcpuEnvironment {
    Bus& ports;
    Bus& registers;  // memory-mapped
    virtio::DeviceLock& lock;
    std::function<void(MachineEnd)> on_end;  // on the vCPU's thread, DeviceLock not held
    std::atomic<bool> ending = false;  // set: the exit being handled is the last one of its thread
};

// Makes the signal that interrupts KVM_RUN do nothing else. Once, before any thread starts.
Status prepare_vcpu_signal();

// Runs the guest from start() to the machine's end or stop(). Neither copied nor moved.
class VcpuThread {
  public:
    // Makes the thread, which runs `prepare` and waits.
    static Result<std::unique_ptr<VcpuThread>> create(kvm::Vcpu vcpu, VcpuEnvironment& environment,
                                                      std::function<Status()> prepare);
    ~VcpuThread() { stop(); }
    VcpuThread(const VcpuThread&) = delete;
    VcpuThread& operator=(const VcpuThread&) = delete;

    // Also again, after stop().
    void start();
    // Asks the thread to leave the guest and wait; stop() also waits for that. Both may be
    // repeated.
    void interrupt();
    void stop();

    [[nodiscard]] const kvm::Vcpu& vcpu() const { return vcpu_; }
    [[nodiscard]] uint64_t port_exits() const {
        return port_exits_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] uint64_t register_exits() const {
        return register_exits_.load(std::memory_order_relaxed);
    }

  private:
    VcpuThread(kvm::Vcpu vcpu, VcpuEnvironment& environment)
        : vcpu_(std::move(vcpu)), environment_(environment) {}
    void run();
    void handle_exit();
    void port_access();
    void register_access();
    void end(MachineEnd::Reason reason, std::string detail);

    kvm::Vcpu vcpu_;
    VcpuEnvironment& environment_;
    std::unique_ptr<ParkedThread> thread_;
    bool started_ = false;
    std::atomic<bool> interrupted_ = false;
    std::atomic<uint64_t> port_exits_ = 0;
    std::atomic<uint64_t> register_exits_ = 0;
};

}  // namespace anchorhold::vmm
