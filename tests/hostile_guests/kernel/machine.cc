// Inline assembly, and what becomes of exceptions: those of a probed instruction end it, any other
// ends the machine with a word.
#include "machine.h"

extern "C" {
extern const char exception_entries[];
extern uint64_t directories[];
}

namespace hostile {
namespace {

constexpr uint16_t kSerial = 0x3f8;
constexpr uint16_t kKeyboardCommand = 0x64;
constexpr uint64_t kVendorIntel = 0x756e6547;  // "Genu"

// As enter.cc pushes it.
struct Frame {
    uint64_t saved[9];
    uint64_t vector, error;
    uint64_t rip, cs, flags, rsp, ss;
};

volatile uint64_t resume = 0;  // where a probe goes on; 0: no exception is expected
volatile bool faulted = false;

struct [[gnu::packed]] Gate {
    uint16_t offset_low = 0;
    uint16_t segment = 8;
    uint16_t kind = 0x8e00;  // present, interrupt gate
    uint16_t offset_middle = 0;
    uint32_t offset_high = 0;
    uint32_t reserved = 0;
};
struct [[gnu::packed]] TablePointer {
    uint16_t limit;
    uint64_t base;
};
Gate gates[32];

bool probed() {
    resume = 0;
    return !faulted;
}

}  // namespace

extern "C" void on_exception(Frame* frame) {
    constexpr uint64_t kNonMaskable = 2;
    if (frame->vector == kNonMaskable) {
        return;
    }
    if (resume != 0) {
        faulted = true;
        frame->rip = resume;
        return;
    }
    print("exception ");
    print(frame->vector);
    print(" at ");
    print_hex(frame->rip);
    print(", error ");
    print_hex(frame->error);
    uint64_t address = 0;
    asm("movq %%cr2, %0" : "=r"(address));
    print(", address ");
    print_hex(address);
    print("\n");
    reset();
}

void install_exception_handler() {
    constexpr uint64_t kEntrySize = 16;
    for (uint64_t i = 0; i < 32; ++i) {
        const uint64_t entry = reinterpret_cast<uint64_t>(exception_entries) + i * kEntrySize;
        gates[i].offset_low = static_cast<uint16_t>(entry);
        gates[i].offset_middle = static_cast<uint16_t>(entry >> 16);
    }
    const TablePointer pointer{sizeof gates - 1, reinterpret_cast<uint64_t>(gates)};
    asm volatile("lidt %0" : : "m"(pointer));
}

void out8(uint16_t port, uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "d"(port) : "memory");
}
void out16(uint16_t port, uint16_t value) {
    asm volatile("outw %0, %1" : : "a"(value), "d"(port) : "memory");
}
void out32(uint16_t port, uint32_t value) {
    asm volatile("outl %0, %1" : : "a"(value), "d"(port) : "memory");
}
uint8_t in8(uint16_t port) {
    uint8_t value = 0;
    asm volatile("inb %1, %0" : "=a"(value) : "d"(port) : "memory");
    return value;
}
uint16_t in16(uint16_t port) {
    uint16_t value = 0;
    asm volatile("inw %1, %0" : "=a"(value) : "d"(port) : "memory");
    return value;
}
uint32_t in32(uint16_t port) {
    uint32_t value = 0;
    asm volatile("inl %1, %0" : "=a"(value) : "d"(port) : "memory");
    return value;
}

void print(const char* text) {
    for (; *text != '\0'; ++text) {
        out8(kSerial, static_cast<uint8_t>(*text));
    }
}

void print(uint64_t number) {
    char digits[21];
    char* at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    print(at);
}

void print_hex(uint64_t number) {
    char digits[17];
    char* at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = "0123456789abcdef"[number % 16];
        number /= 16;
    } while (number != 0);
    print(at);
}

void reset() {
    for (;;) {
        out8(kKeyboardCommand, 0xfe);
    }
}

uint64_t window(uint64_t physical) {
    constexpr uint64_t kHuge = uint64_t{2} << 20;
    constexpr uint64_t kWindow = uint64_t{4} << 30;
    directories[4 * 512] = (physical & ~(kHuge - 1)) | 0x83;
    asm volatile("invlpg (%0)" : : "r"(kWindow) : "memory");
    return kWindow + (physical & (kHuge - 1));
}

Registers cpuid(uint32_t function, uint32_t index) {
    Registers out{};
    asm volatile("cpuid"
                 : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
                 : "a"(function), "c"(index));
    return out;
}

bool read_msr(uint32_t index, uint64_t& value) {
    uint32_t low = 0;
    uint32_t high = 0;
    faulted = false;
    asm volatile("movq $1f, %2; rdmsr; 1:"
                 : "+a"(low), "+d"(high), "=m"(resume)
                 : "c"(index)
                 : "memory");
    value = (uint64_t{high} << 32) | low;
    return probed();
}

bool write_msr(uint32_t index, uint64_t value) {
    faulted = false;
    asm volatile("movq $1f, %0; wrmsr; 1:"
                 : "=m"(resume)
                 : "c"(index), "a"(static_cast<uint32_t>(value)),
                   "d"(static_cast<uint32_t>(value >> 32))
                 : "memory");
    return probed();
}

bool read_counter(uint32_t index, uint64_t& value) {
    uint32_t low = 0;
    uint32_t high = 0;
    faulted = false;
    asm volatile("movq $1f, %2; rdpmc; 1:"
                 : "+a"(low), "+d"(high), "=m"(resume)
                 : "c"(index)
                 : "memory");
    value = (uint64_t{high} << 32) | low;
    return probed();
}

bool run_nested_amd() {
    alignas(4096) static uint8_t block[4096];
    faulted = false;
    asm volatile("movq $1f, %0; vmrun; 1:" : "=m"(resume) : "a"(block) : "memory");
    return probed();
}

bool run_nested_intel() {
    alignas(4096) static uint64_t region[512];
    const uint64_t* const address = region;
    faulted = false;
    asm volatile("movq $1f, %0; vmxon %1; 1:" : "=m"(resume) : "m"(address) : "memory", "cc");
    return probed();
}

uint64_t timestamp() {
    uint32_t low = 0;
    uint32_t high = 0;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t{high} << 32) | low;
}

uint64_t hypercall(uint64_t number, uint64_t a, uint64_t b) {
    uint64_t result = number;
    if (cpuid(0, 0).ebx == kVendorIntel) {
        asm volatile("vmcall" : "+a"(result) : "b"(a), "c"(b), "d"(a), "S"(b) : "memory");
    } else {
        asm volatile("vmmcall" : "+a"(result) : "b"(a), "c"(b), "d"(a), "S"(b) : "memory");
    }
    return result;
}

void triple_fault() {
    const TablePointer none{0, 0};
    asm volatile("lidt %0; ud2" : : "m"(none));
    __builtin_unreachable();
}

void jump_to(uint64_t address) {
    asm volatile("jmp *%0" : : "r"(address));
    __builtin_unreachable();
}

}  // namespace hostile
