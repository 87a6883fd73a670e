// How the parts of a machine are put together, and in which order.
#include "vmm/machine/machine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include <chrono>
#include <mutex>
#include <utility>

#include "base/sys.h"
#include "vmm/boot/command_line.h"
#include "vmm/boot/cpuid.h"
#include "vmm/boot/entry_state.h"
#include "vmm/boot/loader.h"
#include "vmm/boot/mp_table.h"
#include "vmm/boot/start_info.h"
#include "vmm/kvm/msr_filter.h"
#include "vmm/kvm/system.h"
#include "vmm/layout.h"
#include "vmm/lock_down.h"
#include "vmm/machine/named.h"

namespace anchorhold::vmm {
namespace {

ConsoleTail::LineSink line_sink(Console console, EventLoop& loop,
                                const std::function<void(std::string)>& on_console) {
    if (console == Console::kSilent) {
        return nullptr;
    }
    return [&loop, &on_console](std::string_view line) {
        loop.post([&on_console, text = std::string(line)] { on_console(text); });
    };
}

}  // namespace

Machine::Machine(EventLoop& loop, Handlers handlers, Console console)
    : loop_(loop),
      handlers_(std::move(handlers)),
      console_(line_sink(console, loop, handlers_.on_console)),
      serial_(console_),
      reset_port_([this] {
          vcpu_environment_.ending = true;
          end({MachineEnd::Reason::kReset, {}});
      }),
      vcpu_environment_{.ports = ports_,
                        .registers = registers_,
                        .lock = lock_,
                        .on_end = [this](MachineEnd reason) { end(std::move(reason)); }} {}

Result<std::unique_ptr<Machine>> Machine::prepare(ShellConfiguration configuration, EventLoop& loop,
                                                  Handlers handlers, proto::Started& times) {
    std::unique_ptr<Machine> machine(new Machine(loop, std::move(handlers), configuration.console));
    ANCHORHOLD_TRY(prepare_vcpu_signal());
    machine->memory_ =
        ANCHORHOLD_TRY(named("memory", memory::GuestMemory::reserve(configuration.memory_bytes)));
    ANCHORHOLD_TRY(named("KVM", machine->create_kvm(configuration, times)));
    machine->wires_ = ANCHORHOLD_TRY(
        named("devices", wire_devices(*machine->vm_, configuration.disks, lock_down_disk)));
    machine->add_ports();
    machine->page_copier_.emplace();
    machine->pagemap_ = std::move(configuration.pagemap);
    times.set_created_ns(now_ns());
    return machine;
}

Status Machine::create_kvm(ShellConfiguration& configuration, proto::Started& times) {
    system_ = std::make_unique<kvm::System>(
        ANCHORHOLD_TRY(kvm::System::adopt(std::move(configuration.kvm))));
    const uint64_t began = now_ns();
    vm_ = std::make_unique<kvm::Vm>(ANCHORHOLD_TRY(system_->create_vm()));
    times.set_create_vm_ns(now_ns() - began);
    ANCHORHOLD_TRY(kvm::filter_msrs(*vm_));
    ANCHORHOLD_TRY(vm_->disable_counters());
    ANCHORHOLD_TRY(vm_->reserve_real_mode_pages(layout::kTss, layout::kIdentityMap));
    ANCHORHOLD_TRY(vm_->create_irqchip());
    for (const memory::Region& region : memory_->regions()) {
        ANCHORHOLD_TRY(
            vm_->set_memory({region.slot, region.guest.value(), region.size, region.host}));
    }
    const auto supported = ANCHORHOLD_TRY(system_->supported_cpuid());
    for (uint32_t index = 0; index < configuration.vcpus; ++index) {
        kvm::Vcpu vcpu = ANCHORHOLD_TRY(vm_->create_vcpu(index));
        const auto leaves = guest_cpuid(supported, {index, configuration.vcpus});
        vcpu.enforce_announced_features();
        ANCHORHOLD_TRY(vcpu.set_cpuid(leaves));
        // What the guest will set itself. Where SVM is emulated, KVM does not see it do so and
        // would go on reporting the sizes of too few states; Linux then gives up XSAVE.
        if (const uint64_t states = extended_states(leaves); states != 0) {
            ANCHORHOLD_TRY(vcpu.set_xcr0(states));
        }
        vcpus_.push_back(
            ANCHORHOLD_TRY(VcpuThread::create(std::move(vcpu), vcpu_environment_, lock_down_vcpu)));
    }
    return {};
}

Status Machine::attach(Attachments attachments) {
    devices_ = ANCHORHOLD_TRY(DeviceSet::create(std::move(attachments), std::move(wires_),
                                                {*memory_, loop_, lock_, registers_},
                                                handlers_.on_backend_failure));
    return {};
}

Status Machine::load(BootConfiguration configuration, proto::Started& times) {
    page_copier_.reset();
    ANCHORHOLD_TRY(
        named("memory", memory_->back(std::move(configuration.memory), memory::Sharing::kShared)));
    ANCHORHOLD_TRY(attach(std::move(configuration.attachments)));
    ANCHORHOLD_TRY(load_boot_data(configuration));
    times.set_loaded_ns(now_ns());
    return {};
}

Status Machine::load_boot_data(BootConfiguration& configuration) {
    const LoadedKernel kernel =
        ANCHORHOLD_TRY(named("kernel", load_kernel(*memory_, configuration.kernel.get())));
    const memory::GuestRange initrd = ANCHORHOLD_TRY(
        named("initrd", load_initrd(*memory_, configuration.initrd.get(), kernel.end)));
    const auto table = mp_table(configuration.shell.vcpus);
    static_cast<void>(memory_->write(memory::GuestAddress(layout::kMpTable), table));
    const KernelOutput output = configuration.shell.console == Console::kForwarded
                                    ? KernelOutput::kEverything
                                    : KernelOutput::kPanicsOnly;
    ANCHORHOLD_TRY(write_start_info(
        *memory_, kernel_command_line(output, devices_->places(), configuration.kernel_arguments),
        initrd));
    return named("KVM", set_pvh_entry(vcpus_.front()->vcpu(), kernel.entry, layout::kStartInfo));
}

void Machine::add_ports() {
    ports_.add(kSerialPort, kSerialPorts, serial_);
    ports_.add(kKeyboardCommandPort, 1, reset_port_);
}

Status Machine::start(proto::Started& times) {
    const kvm::Vcpu& boot = vcpus_.front()->vcpu();
    times.set_guest_tsc_offset(ANCHORHOLD_TRY(boot.tsc_offset()));
    times.set_tsc_khz(boot.tsc_khz().value_or(0));
    times.set_host_tsc(__rdtsc());
    times.set_run_ns(now_ns());
    return start_vcpus();
}

Status Machine::run(uint64_t stood_still_tsc) {
    if (running_) {
        return {};
    }
    if (stood_still_tsc != 0) {
        ANCHORHOLD_TRY(set_back_clocks(stood_still_tsc));
    }
    return start_vcpus();
}

Status Machine::start_vcpus() {
    stopped_clocks_.reset();
    for (const auto& vcpu : vcpus_) {
        vcpu->start();
    }
    running_ = true;
    return {};
}

void Machine::stop_vcpus() {
    for (const auto& vcpu : vcpus_) {
        vcpu->interrupt();
    }
    for (const auto& vcpu : vcpus_) {
        vcpu->stop();
    }
    running_ = false;
}

void Machine::pause(std::function<void()> on_paused) {
    stop_vcpus();
    for (const auto& vcpu : vcpus_) {
        if (const Status completed = vcpu->vcpu().complete_exit(); !completed) {
            end({MachineEnd::Reason::kCrash, completed.error().message});
            return;
        }
    }
    wait_for_disks(std::move(on_paused));
}

void Machine::wait_for_disks(std::function<void()> then) {
    constexpr Duration kAgain = std::chrono::microseconds(200);
    size_t in_flight = 0;
    {
        const std::scoped_lock hold(lock_);
        in_flight = devices_->requests_in_flight();
    }
    if (in_flight == 0) {
        then();
        return;
    }
    disk_wait_ = loop_.add_timer(
        kAgain, [this, then = std::move(then)]() mutable { wait_for_disks(std::move(then)); });
}

void Machine::stop() {
    loop_.cancel_timer(disk_wait_);
    stop_vcpus();
}

Status Machine::deliver_last_words() {
    if (devices_ != nullptr) {
        devices_->process_queues();
    }
    // Twice: devices put off work to the loop's next turn.
    ANCHORHOLD_TRY(loop_.run_once(Duration::zero()));
    return loop_.run_once(Duration::zero());
}

void Machine::end(MachineEnd reason) {
    loop_.post([this, reason = std::move(reason)] {
        if (!std::exchange(ended_, true)) {
            handlers_.on_end(reason);
        }
    });
}

Status Machine::connect(uint32_t guest_port, OwnFd stream) {
    if (devices_ == nullptr) {
        return fail("a shell has no guest to connect to");
    }
    const std::scoped_lock hold(lock_);
    return devices_->vsock().connect(guest_port, std::move(stream));
}

void Machine::set_balloon(uint64_t target_bytes) {
    if (devices_ == nullptr) {
        return;
    }
    const std::scoped_lock hold(lock_);
    devices_->balloon().set_target(target_bytes / layout::kPageSize);
}

proto::Statistics Machine::statistics() {
    proto::Statistics statistics;
    uint64_t port_exits = 0;
    uint64_t register_exits = 0;
    for (const auto& vcpu : vcpus_) {
        port_exits += vcpu->port_exits();
        register_exits += vcpu->register_exits();
    }
    statistics.set_exits_io(port_exits);
    statistics.set_exits_mmio(register_exits);
    statistics.set_memory_bytes(sys::bytes_on_disk(memory_->fd(), "guest memory").value_or(0));
    const std::scoped_lock hold(lock_);
    statistics.set_unknown_accesses(ports_.unknown_accesses() + registers_.unknown_accesses());
    if (devices_ != nullptr) {
        devices_->count(statistics);
    }
    return statistics;
}

std::string Machine::console_tail() {
    const std::scoped_lock hold(lock_);
    return console_.text();
}

}  // namespace anchorhold::vmm
