// The throw-away VM: 64 KiB, one vCPU, a dozen instructions.
#include "machine/kvm_probe.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys.h"

namespace anchorhold::machine {
namespace {

constexpr uint16_t kPort = 0xf4;
constexpr size_t kMemorySize = 0x10000;
constexpr size_t kPml4 = 0x1000;
constexpr size_t kPdpt = 0x2000;
constexpr size_t kPageDirectory = 0x5000;
constexpr size_t kGdt = 0x3000;
constexpr size_t kCode = 0x4000;
constexpr size_t kStackTop = 0x8000;

// Sends the low half of EFER to the port: its LME and LMA bits show that the processor was in long
// mode. The SSE2 move and the 16-byte exchange are there because every stock kernel uses them and
// KVM's instruction emulator, which paravirtual KVMs fall back to for everything privileged, has
// neither.
constexpr auto kProgram = std::to_array<uint8_t>({
    0x0f, 0x20, 0xd8,                                            // mov rax, cr3
    0x0f, 0x22, 0xd8,                                            // mov cr3, rax
    0x6a, 0x08,                                                  // push 8 (code selector)
    0x68, 0x10, 0x40, 0x00, 0x00,                                // push 0x4010
    0x48, 0xcb,                                                  // retfq
    0xf4,                                                        // hlt (never reached)
    0x66, 0x0f, 0x6e, 0xc0,                                      // 0x4010: movd xmm0, eax
    0xf0, 0x48, 0x0f, 0xc7, 0x0c, 0x25, 0x00, 0x70, 0x00, 0x00,  // lock cmpxchg16b [0x7000]
    0xb9, 0x80, 0x00, 0x00, 0xc0,                                // mov ecx, EFER
    0x0f, 0x32,                                                  // rdmsr
    0x66, 0xba, 0xf4, 0x00,                                      // mov dx, 0xf4
    0xef,                                                        // out dx, eax
    0xf4,                                                        // hlt
});

// AMD64 APM volume 2, 4.8: 64-bit code and data descriptors of ring 0.
constexpr uint64_t kCodeDescriptor = 0x00af9b000000ffff;
constexpr uint64_t kDataDescriptor = 0x00cf93000000ffff;
constexpr uint64_t kEferLongMode = 0x500;  // LME and LMA

void put64(std::byte* memory, size_t offset, uint64_t value) {
    std::memcpy(memory + offset, &value, sizeof value);
}

void load(std::byte* memory) {
    put64(memory, kPml4, kPdpt | 3);
    put64(memory, kPdpt, kPageDirectory | 3);
    put64(memory, kPageDirectory, 0x83);  // one page of 2 MiB, writable
    put64(memory, kGdt + 8, kCodeDescriptor);
    put64(memory, kGdt + 16, kDataDescriptor);
    std::memcpy(memory + kCode, kProgram.data(), kProgram.size());
}

kvm_segment segment(uint16_t selector, uint8_t type, uint8_t long_mode) {
    kvm_segment made{};
    made.limit = 0xffffffff;
    made.selector = selector;
    made.type = type;
    made.present = 1;
    made.db = long_mode == 0 ? 1 : 0;
    made.s = 1;
    made.l = long_mode;
    made.g = 1;
    return made;
}

// struct kvm_cpuid2 of the KVM API. Its declaration in linux/kvm.h is larger in C++ (the flexible
// array's empty struct takes room there), and with it the size inside the ioctl numbers is wrong.
struct Cpuid {
    uint32_t count = 256;
    uint32_t padding = 0;
    std::array<kvm_cpuid_entry2, 256> entries{};
};
static_assert(sizeof(kvm_cpuid_entry2) == 40 && offsetof(Cpuid, entries) == 8);
constexpr unsigned long kGetSupportedCpuid = _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, 8);
constexpr unsigned long kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, 8);

// Without a CPUID that has long mode KVM refuses to enter it.
Status copy_cpuid(int kvm, int vcpu) {
    Cpuid cpuid;
    if (::ioctl(kvm, kGetSupportedCpuid, &cpuid) < 0) {
        return fail_errno("KVM_GET_SUPPORTED_CPUID");
    }
    if (::ioctl(vcpu, kSetCpuid2, &cpuid) < 0) {
        return fail_errno("KVM_SET_CPUID2");
    }
    return {};
}

Status enter_long_mode(int vcpu) {
    kvm_sregs special{};
    if (::ioctl(vcpu, KVM_GET_SREGS, &special) < 0) {
        return fail_errno("KVM_GET_SREGS");
    }
    special.cs = segment(8, 11, 1);
    special.ds = special.es = special.fs = special.gs = special.ss = segment(16, 3, 0);
    special.gdt.base = kGdt;
    special.gdt.limit = 23;
    special.cr3 = kPml4;
    special.cr4 = 0x620;       // OSXMMEXCPT, OSFXSR, PAE
    special.cr0 = 0x80000031;  // PG, NE, ET, PE
    special.efer = kEferLongMode;
    if (::ioctl(vcpu, KVM_SET_SREGS, &special) < 0) {
        return fail_errno("KVM_SET_SREGS", "64-bit mode");
    }
    kvm_regs registers{};
    registers.rip = kCode;
    registers.rsp = kStackTop;
    registers.rflags = 2;
    if (::ioctl(vcpu, KVM_SET_REGS, &registers) < 0) {
        return fail_errno("KVM_SET_REGS");
    }
    return {};
}

// Runs the program until it speaks. EINTR cannot happen: the child has no signal handlers.
Status run(int vcpu, const kvm_run& state) {
    const std::string ring0 = "64-bit ring-0 code does not run: ";
    if (::ioctl(vcpu, KVM_RUN, 0) < 0) {
        return fail(ring0 + "KVM_RUN: " + errno_text(errno));
    }
    if (state.exit_reason != KVM_EXIT_IO || state.io.port != kPort) {
        kvm_regs registers{};
        ::ioctl(vcpu, KVM_GET_REGS, &registers);
        const std::string where = registers.rip == kCode
                                      ? "at its first instruction"
                                      : "after " + std::to_string(registers.rip - kCode) + " bytes";
        switch (state.exit_reason) {
            case KVM_EXIT_SHUTDOWN:
                return fail(ring0 + "the virtual CPU shuts down " + where);
            case KVM_EXIT_INTERNAL_ERROR:
                return fail(ring0 +
                            (state.internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                                 ? "KVM emulates it, and cannot emulate the instruction "
                                 : "KVM internal error ") +
                            where);
            case KVM_EXIT_FAIL_ENTRY:
                return fail(ring0 + "the processor refuses to enter the guest");
            default:
                return fail(ring0 + "KVM exit " + std::to_string(state.exit_reason) + " " + where);
        }
    }
    uint64_t efer = 0;
    std::memcpy(&efer, reinterpret_cast<const char*>(&state) + state.io.data_offset, 4);
    if ((efer & kEferLongMode) != kEferLongMode) {
        return fail(ring0 + "the guest reads EFER as " + std::to_string(efer));
    }
    return {};
}

Status attempt(const std::string& device) {
    const OwnFd kvm = ANCHORHOLD_TRY(sys::open(device, O_RDWR));
    const int version = ::ioctl(kvm.get(), KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        return version < 0 ? Status(fail_errno("KVM_GET_API_VERSION", device))
                           : Status(fail(device + ": API version " + std::to_string(version)));
    }
    const OwnFd vm(::ioctl(kvm.get(), KVM_CREATE_VM, 0));
    if (!vm.valid()) {
        return fail_errno("KVM_CREATE_VM", device);
    }
    void* memory =
        ::mmap(nullptr, kMemorySize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return fail_errno("mmap", "guest memory");
    }
    load(static_cast<std::byte*>(memory));
    kvm_userspace_memory_region region{};
    region.memory_size = kMemorySize;
    region.userspace_addr = reinterpret_cast<uint64_t>(memory);
    if (::ioctl(vm.get(), KVM_SET_USER_MEMORY_REGION, &region) < 0) {
        return fail_errno("KVM_SET_USER_MEMORY_REGION", device);
    }
    const OwnFd vcpu(::ioctl(vm.get(), KVM_CREATE_VCPU, 0));
    if (!vcpu.valid()) {
        return fail_errno("KVM_CREATE_VCPU", device);
    }
    const int run_size = ::ioctl(kvm.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < static_cast<int>(sizeof(kvm_run))) {
        return fail_errno("KVM_GET_VCPU_MMAP_SIZE", device);
    }
    void* state = ::mmap(nullptr, static_cast<size_t>(run_size), PROT_READ | PROT_WRITE, MAP_SHARED,
                         vcpu.get(), 0);
    if (state == MAP_FAILED) {
        return fail_errno("mmap", "kvm_run");
    }
    ANCHORHOLD_TRY(copy_cpuid(kvm.get(), vcpu.get()));
    ANCHORHOLD_TRY(enter_long_mode(vcpu.get()));
    return run(vcpu.get(), *static_cast<const kvm_run*>(state));
}

// "": usable. The child says so with one byte, or says why not.
[[noreturn]] void child_main(const std::string& device, int report) {
    const Status attempted = attempt(device);
    const std::string text = attempted ? std::string(1, '\0') : attempted.error().message;
    [[maybe_unused]] const Status told = sys::write_all(report, text);
    ::_exit(0);
}

// Waits for the child's end of the pipe to close and returns what it said; nullopt when it took too
// long.
std::optional<std::string> listen(int report, Duration patience) {
    const TimePoint deadline = steady_clock().now() + patience;
    std::string said;
    for (;;) {
        const Duration left = deadline - steady_clock().now();
        pollfd wait{report, POLLIN, 0};
        const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        if (left <= Duration::zero() || ::poll(&wait, 1, static_cast<int>(timeout)) == 0) {
            return std::nullopt;
        }
        char piece[256];
        const auto got = sys::read_some(report, std::as_writable_bytes(std::span(piece)));
        if (!got || got->value_or(0) == 0) {
            return said;
        }
        said.append(piece, **got);
    }
}

// What a person should know about the host when its KVM fails.
std::string hint() {
    return ::access("/sys/module/kvm_pvm", F_OK) == 0 ? " (this host's KVM is paravirtual, module "
                                                        "kvm_pvm: it runs only kernels made for it)"
                                                      : "";
}

KvmProbe unusable(std::string reason) {
    return KvmProbe{false, std::move(reason)};
}

}  // namespace

KvmProbe probe_kvm(const std::string& device, Duration patience) {
    auto report = sys::pipe();
    if (!report) {
        return unusable(report.error().message);
    }
    const pid_t child = ::fork();
    if (child < 0) {
        return unusable("fork: " + errno_text(errno));
    }
    if (child == 0) {
        child_main(device, report->write_end.get());
    }
    report->write_end.reset();
    const std::optional<std::string> said = listen(report->read_end.get(), patience);
    ::kill(child, SIGKILL);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!said) {
        return unusable(device + ": 64-bit ring-0 code hangs" + hint());
    }
    if (*said == std::string_view("\0", 1)) {
        return KvmProbe{true, ""};
    }
    if (said->empty()) {
        return unusable(device + ": the probe died" + hint());
    }
    return unusable(said->find(device) == std::string::npos ? device + ": " + *said + hint()
                                                            : *said);
}

}  // namespace anchorhold::machine
