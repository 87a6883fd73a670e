// Runs a few instructions of real-mode code through the KVM classes and the vCPU thread.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/sys.h"
#include "memory/guest_memory.h"
#include "vmm/devices/console_tail.h"
#include "vmm/devices/reset_port.h"
#include "vmm/devices/serial_sink.h"
#include "vmm/kvm/system.h"
#include "vmm/machine/vcpu_thread.h"

namespace anchorhold::vmm {
namespace {

constexpr uint64_t kCode = 0x1000;

// mov dx,0x3f8; mov al,'h'; out dx,al; mov al,'i'; out dx,al; mov al,0xfe; out 0x64,al; jmp $
constexpr uint8_t kGreetAndReset[] = {0xba, 0xf8, 0x03, 0xb0, 'h',  0xee, 0xb0, 'i',
                                      0xee, 0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe};
// jmp $
constexpr uint8_t kSpin[] = {0xeb, 0xfe};

// The smallest machine: 64 KiB of memory, one vCPU at kCode, a serial sink and the reset port.
class RealModeGuest : public testing::Test {
  protected:
    void build(std::span<const uint8_t> code) {
        auto fd = sys::open("/dev/kvm", O_RDWR);
        ASSERT_TRUE(fd) << fd.error().message;
        auto system = kvm::System::adopt(std::move(*fd));
        ASSERT_TRUE(system) << system.error().message;
        auto memory = memory::GuestMemory::create(64 * 1024);
        ASSERT_TRUE(memory);
        memory_ = std::move(*memory);
        ASSERT_TRUE(memory_->write(memory::GuestAddress(kCode), std::as_bytes(code)));

        auto vm = system->create_vm();
        ASSERT_TRUE(vm) << vm.error().message;
        vm_ = std::make_unique<kvm::Vm>(std::move(*vm));
        const memory::Region& region = memory_->regions().front();
        ASSERT_TRUE(vm_->set_memory({0, 0, region.size, region.host}));
        auto vcpu = vm_->create_vcpu(0);
        ASSERT_TRUE(vcpu) << vcpu.error().message;
        auto special = vcpu->special_registers();
        ASSERT_TRUE(special);
        special->cs.base = 0;
        special->cs.selector = 0;
        ASSERT_TRUE(vcpu->set_special_registers(*special));
        kvm_regs registers{};
        registers.rip = kCode;
        registers.rflags = 2;
        ASSERT_TRUE(vcpu->set_registers(registers));

        ports_.add(kSerialPort, kSerialPorts, serial_);
        ports_.add(kKeyboardCommandPort, 1, reset_);
        ASSERT_TRUE(prepare_vcpu_signal());
        auto thread = VcpuThread::create(std::move(*vcpu), environment_, nullptr);
        ASSERT_TRUE(thread) << thread.error().message;
        thread_ = std::move(*thread);
        thread_->start();
    }
    void TearDown() override { thread_.reset(); }

    void end(MachineEnd reason) {
        const std::scoped_lock hold(mutex_);
        ended_ = std::move(reason);
        wake_.notify_all();
    }
    std::optional<MachineEnd> wait() {
        std::unique_lock hold(mutex_);
        wake_.wait_for(hold, std::chrono::seconds(30), [this] { return ended_.has_value(); });
        return ended_;
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::optional<MachineEnd> ended_;
    virtio::DeviceLock lock_;
    ConsoleTail console_;
    SerialSink serial_{console_};
    ResetPort reset_{[this] {
        environment_.ending = true;
        end({MachineEnd::Reason::kReset, {}});
    }};
    Bus ports_;
    Bus registers_;
    VcpuEnvironment environment_{.ports = ports_,
                                 .registers = registers_,
                                 .lock = lock_,
                                 .on_end = [this](MachineEnd reason) { end(std::move(reason)); }};
    std::unique_ptr<memory::GuestMemory> memory_;
    std::unique_ptr<kvm::Vm> vm_;
    std::unique_ptr<VcpuThread> thread_;
};

TEST_F(RealModeGuest, greeting_and_reset_reach_the_devices) {
    build(kGreetAndReset);
    const auto ended = wait();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->reason, MachineEnd::Reason::kReset) << ended->detail;
    thread_->stop();
    EXPECT_EQ(console_.text(), "hi");
    EXPECT_EQ(thread_->port_exits(), 3U);
}

TEST_F(RealModeGuest, spinning_guest_is_stopped_from_outside) {
    build(kSpin);
    thread_->stop();
    EXPECT_FALSE(ended_);
}

TEST(KvmSystem, descriptor_that_is_not_kvm_is_refused) {
    auto null = sys::open("/dev/null", O_RDWR);
    ASSERT_TRUE(null);
    const auto system = kvm::System::adopt(std::move(*null));
    ASSERT_FALSE(system);
    EXPECT_NE(system.error().message.find("not /dev/kvm"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::vmm
