// The processor and the PC's few ports, for code that owns them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace hostile {

// What the VMM's command line and start info tell, as far as attacks need it.
struct Surroundings {
    uint64_t memory_end;  // of RAM, all of it below the hole
    const char* orders;   // the attacks' names, one a line: the initial RAM disk
    uint64_t orders_size;
};

void print(const char* text);
void print(uint64_t number);
void print_hex(uint64_t number);
[[noreturn]] void reset();

void out8(uint16_t port, uint8_t value);
void out16(uint16_t port, uint16_t value);
void out32(uint16_t port, uint32_t value);
uint8_t in8(uint16_t port);
uint16_t in16(uint16_t port);
uint32_t in32(uint16_t port);

template <typename T>
T peek(uint64_t address) {
    return *reinterpret_cast<volatile T*>(address);
}
template <typename T>
void poke(uint64_t address, T value) {
    *reinterpret_cast<volatile T*>(address) = value;
}
// The 2 MiB around a physical address anywhere, until the next call.
uint64_t window(uint64_t physical);

struct Registers {
    uint32_t eax, ebx, ecx, edx;
};
Registers cpuid(uint32_t function, uint32_t index);

// Instructions that may fault: true when they did not.
bool read_msr(uint32_t index, uint64_t& value);
bool write_msr(uint32_t index, uint64_t value);
bool read_counter(uint32_t index, uint64_t& value);
bool run_nested_amd();
bool run_nested_intel();

uint64_t timestamp();
uint64_t hypercall(uint64_t number, uint64_t a, uint64_t b);
[[noreturn]] void triple_fault();
[[noreturn]] void jump_to(uint64_t address);

void install_exception_handler();

}  // namespace hostile
