// What KVM and the buses answer: registers of the processor, leaves, clocks, interrupts, every port
// and what lies between the devices; and the ways a guest can end itself.
#include "attack.h"
#include "driver.h"

namespace hostile {
namespace {

struct Span {
    uint32_t first, last;
};
// Where there are model-specific registers on any x86 processor, and around.
constexpr Span kMsrs[] = {{0, 0x1fff},
                          {0x40000000, 0x40000200},
                          {0x4b564d00, 0x4b564dff},
                          {0xc0000000, 0xc00003ff},
                          {0xc0010000, 0xc00113ff}};

void note_range(const char* what, uint32_t first, uint32_t last) {
    print(what);
    print(" ");
    print_hex(first);
    print(" ");
    print_hex(last);
    print("\n");
}

// Says which can be read: "readable FIRST LAST", for the test to compare with the list.
Result msr_read_sweep(const Surroundings&) {
    Result result{0, "swept"};
    for (const Span& span : kMsrs) {
        bool open = false;
        uint32_t first = 0;
        for (uint32_t index = span.first; index <= span.last; ++index) {
            uint64_t value = 0;
            const bool readable = read_msr(index, value);
            ++result.made;
            if (readable && !open) {
                first = index;
            } else if (!readable && open) {
                note_range("readable", first, index - 1);
            }
            open = readable;
        }
        if (open) {
            note_range("readable", first, span.last);
        }
    }
    return result;
}

// All ones into each, then what was there before.
Result msr_write_sweep(const Surroundings&) {
    Result result{0, "swept"};
    for (const Span& span : kMsrs) {
        bool open = false;
        uint32_t first = 0;
        for (uint32_t index = span.first; index <= span.last; ++index) {
            uint64_t before = 0;
            static_cast<void>(read_msr(index, before));
            bool taken = write_msr(index, ~uint64_t{0});
            taken = write_msr(index, before) || taken;
            result.made += 2;
            if (taken && !open) {
                first = index;
            } else if (!taken && open) {
                note_range("writable", first, index - 1);
            }
            open = taken;
        }
        if (open) {
            note_range("writable", first, span.last);
        }
    }
    return result;
}

constexpr uint32_t bit(unsigned position) {
    return 1U << position;
}

// "hidden": none of what guests have no business with shows in any leaf.
Result cpuid_sweep(const Surroundings&) {
    Result result{0, "hidden"};
    for (const uint32_t from : {0U, 0x20000000U, 0x40000000U, 0x80000000U, 0xc0000000U}) {
        for (uint32_t function = from; function < from + 0x40; ++function) {
            for (uint32_t index = 0; index < 16; ++index) {
                static_cast<void>(cpuid(function, index));
                ++result.made;
            }
        }
    }
    const Registers features = cpuid(1, 0);
    const Registers more = cpuid(7, 0);
    const Registers amd = cpuid(0x80000001, 0);
    const bool virtualisation = (features.ecx & bit(5)) != 0 || (amd.ecx & bit(2)) != 0;
    const bool transactions = (more.ebx & (bit(4) | bit(11))) != 0;
    const bool counters = (cpuid(0xa, 0).eax & 0xff) != 0 || (features.edx & bit(21)) != 0 ||
                          (amd.ecx & (bit(10) | bit(23) | bit(24) | bit(28))) != 0;
    const bool others = (more.ebx & (bit(2) | bit(14) | bit(25))) != 0 ||
                        (amd.ecx & bit(15)) != 0 || (features.ecx & bit(3)) != 0;
    if (virtualisation || transactions || counters || others) {
        result.outcome = "shown";
    }
    return (features.ecx & bit(31)) != 0 ? result : Result{result.made, "bare"};
}

Result nested_virtualisation(const Surroundings&) {
    constexpr uint32_t kEfer = 0xc0000080;
    constexpr uint64_t kSvme = 1U << 12;
    uint64_t efer = 0;
    static_cast<void>(read_msr(kEfer, efer));
    const bool enabled = write_msr(kEfer, efer | kSvme);
    const bool ran = run_nested_amd() || run_nested_intel();
    return {3, enabled || ran ? "ran" : "refused"};
}

// "still": counters cannot be set up, and reading one finds nothing that moves.
Result performance_counters(const Surroundings&) {
    constexpr uint32_t kEvents[] = {0x186, 0xc0010000, 0xc0010200, 0x38d};
    constexpr uint64_t kCountInstructions = 0x4300c0;
    Result result{0, "still"};
    for (const uint32_t event : kEvents) {
        ++result.made;
        if (write_msr(event, kCountInstructions)) {
            result.outcome = "set_up";
        }
    }
    for (uint32_t counter = 0; counter < 8; ++counter) {
        uint64_t before = 0;
        uint64_t after = 0;
        const bool read = read_counter(counter, before);
        for (uint32_t work = 0; work < 1000; ++work) {
            asm volatile("");
        }
        ++result.made;
        if (read && read_counter(counter, after) && after != before) {
            result.outcome = "counting";
        }
    }
    return result;
}

Result hypercall_sweep(const Surroundings&) {
    Result result{0, "survived"};
    for (uint64_t number = 0; number < 64; ++number) {
        for (const uint64_t argument : {uint64_t{0}, uint64_t{0xd0000000}, ~uint64_t{0}}) {
            static_cast<void>(hypercall(number, argument, ~argument));
            ++result.made;
        }
    }
    static_cast<void>(hypercall(~uint64_t{0}, ~uint64_t{0}, 0));
    ++result.made;
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

// KVM's clock, stolen time and page fault areas where there is no memory, time that jumps, timers
// that never rest.
Result clock_games(const Surroundings& around) {
    constexpr uint32_t kTsc = 0x10;
    constexpr uint32_t kTscAdjust = 0x3b;
    constexpr uint32_t kTscDeadline = 0x6e0;
    constexpr uint64_t kApic = 0xfee00000;
    Result result{0, "survived"};
    for (const uint64_t place : {uint64_t{0xd0000000}, around.memory_end - 4, uint64_t{0xfee00000},
                                 uint64_t{1} << 45, ~uint64_t{0} - 63, uint64_t{4}}) {
        for (uint32_t index = 0x4b564d00; index < 0x4b564d08; ++index) {
            static_cast<void>(write_msr(index, place | 1));
            result.made += 1;
        }
        static_cast<void>(cpuid(0, 0));  // an exit, after which KVM fills them in
    }
    for (uint32_t index = 0x4b564d01; index < 0x4b564d08; ++index) {
        static_cast<void>(write_msr(index, 0));
    }
    for (const uint64_t time : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{1}}) {
        static_cast<void>(write_msr(kTsc, time));
        static_cast<void>(write_msr(kTscAdjust, time));
        static_cast<void>(write_msr(kTscDeadline, time));
        result.made += 3;
    }
    // The local APIC's timer: periodic, as short as can be, divided by one; then by its deadline.
    poke<uint32_t>(kApic + 0xf0, 0x1ff);
    poke<uint32_t>(kApic + 0x3e0, 0xb);
    poke<uint32_t>(kApic + 0x320, 0x20030);
    poke<uint32_t>(kApic + 0x380, 1);
    poke<uint32_t>(kApic + 0x320, 0x40030);
    for (uint32_t i = 0; i < 5000; ++i) {
        static_cast<void>(write_msr(kTscDeadline, timestamp() + i % 3));
        ++result.made;
    }
    poke<uint32_t>(kApic + 0x320, 0x10000);
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

Result interrupt_storm(const Surroundings&) {
    constexpr uint64_t kApic = 0xfee00000;
    constexpr uint64_t kIoApic = 0xfec00000;
    Result result{0, "survived"};
    poke<uint32_t>(kApic + 0xf0, 0x1ff);
    for (uint32_t i = 0; i < 5000; ++i) {
        // To itself, to all, to nobody: fixed, lowest priority, NMI, INIT, start-up.
        poke<uint32_t>(kApic + 0x310, i << 24);
        constexpr uint32_t kModes[] = {0x00040, 0x40041, 0x80142, 0x40400,
                                       0xc0500, 0xc0610, 0xc4700};
        poke<uint32_t>(kApic + 0x300, kModes[i % (sizeof kModes / sizeof kModes[0])]);
        poke<uint32_t>(kApic + 0xb0, 0);
        result.made += 1;
    }
    for (uint32_t entry = 0; entry < 64; ++entry) {
        for (const uint32_t value : {0xffffffffU, 0x0000a700U, 0x00000000U, 0x00010000U}) {
            poke<uint32_t>(kIoApic, 0x10 + entry);
            poke<uint32_t>(kIoApic + 0x10, value);
            poke<uint32_t>(kIoApic + 0x40, entry);
            ++result.made;
        }
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

// Every port: four at a time, byte by byte where a PC has something. What is written resets
// nothing, since port 0x64 wants 0xfe for that.
Result port_sweep(const Surroundings&) {
    constexpr uint32_t kPorts = 0x10000;
    constexpr uint32_t kPcPorts = 0x800;
    constexpr uint32_t kConsole = 0x3f8;
    Result result{0, "survived"};
    for (uint32_t port = 0; port < kPcPorts; ++port) {
        static_cast<void>(in8(static_cast<uint16_t>(port)));
        static_cast<void>(in16(static_cast<uint16_t>(port)));
        if (port != kConsole) {
            out8(static_cast<uint16_t>(port), 0x5a);
        }
        result.made += 3;
    }
    for (uint32_t port = 0; port < kPorts; port += 4) {
        static_cast<void>(in32(static_cast<uint16_t>(port)));
        out32(static_cast<uint16_t>(port), 0xa5a5a5a5);
        out16(static_cast<uint16_t>(port + 3), 0x5a5a);
        result.made += 3;
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

// From the end of memory on: below 4 GiB around every 64 KiB and each page near the devices, above
// it one place for each power of two.
Result address_sweep(const Surroundings& around) {
    constexpr uint64_t kDevices = 0xd0000000;
    constexpr uint64_t kFourGib = uint64_t{1} << 32;
    Result result{0, "survived"};
    const auto touch = [&](uint64_t address) {
        static_cast<void>(peek<uint32_t>(address));
        poke<uint64_t>(address + 8, 0x5a5a5a5a5a5a5a5a);
        result.made += 2;
    };
    for (uint64_t address = around.memory_end; address < kFourGib; address += 0x100000) {
        const bool interrupt_controller = address >= 0xfec00000 && address < 0xff000000;
        if (!interrupt_controller) {
            touch(address);
            touch(address + 0xff0);
        }
    }
    for (uint64_t address = kDevices + kSlots * 0x1000; address < kDevices + 0x100000;
         address += 0x1000) {
        touch(address);
    }
    for (unsigned power = 32; power < 40; ++power) {
        touch(window(uint64_t{1} << power));
        touch(window((uint64_t{1} << power) + 0x12345000));
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

Result console_flood(const Surroundings&) {
    constexpr uint16_t kSerial = 0x3f8;
    constexpr uint64_t kBytes = 16'000;
    Result result{0, "survived"};
    for (uint64_t i = 0; i < kBytes; ++i) {
        // First a line without an end, then ends without lines, then what a terminal would obey.
        const char* const escape = "\x1b]0;owned\x07\x1b[2J\n";
        const uint8_t byte = i < kBytes / 2       ? 'x'
                             : i < 3 * kBytes / 4 ? '\n'
                                                  : static_cast<uint8_t>(escape[i % 15]);
        out8(kSerial, byte);
        ++result.made;
    }
    out8(kSerial, '\n');
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

// The last of their machine; the word before is for the test to know that it was made.
Result last(const char* name) {
    print("last ");
    print(name);
    print("\n");
    return {};
}

Result triple_faults(const Surroundings&) {
    last("triple_faults");
    triple_fault();
}
Result runs_registers_as_code(const Surroundings&) {
    last("runs_registers_as_code");
    jump_to(0xd0000000);
}
Result runs_nothing_as_code(const Surroundings&) {
    last("runs_nothing_as_code");
    jump_to(0xe0000000);
}
Result halts_for_ever(const Surroundings&) {
    last("halts_for_ever");
    for (;;) {
        asm volatile("cli; hlt");
    }
}
Result spins_for_ever(const Surroundings&) {
    last("spins_for_ever");
    for (;;) {
        asm volatile("pause");
    }
}
Result resets_at_once(const Surroundings&) {
    last("resets_at_once");
    reset();
}

constexpr Attack kAttacks[] = {
    {"msr_read_sweep", msr_read_sweep},
    {"msr_write_sweep", msr_write_sweep},
    {"cpuid_sweep", cpuid_sweep},
    {"nested_virtualisation", nested_virtualisation},
    {"performance_counters", performance_counters},
    {"hypercall_sweep", hypercall_sweep},
    {"clock_games", clock_games},
    {"interrupt_storm", interrupt_storm},
    {"port_sweep", port_sweep},
    {"address_sweep", address_sweep},
    {"console_flood", console_flood},
    {"triple_faults", triple_faults},
    {"runs_registers_as_code", runs_registers_as_code},
    {"runs_nothing_as_code", runs_nothing_as_code},
    {"halts_for_ever", halts_for_ever},
    {"spins_for_ever", spins_for_ever},
    {"resets_at_once", resets_at_once},
};

}  // namespace

Attacks processor_attacks() {
    return {kAttacks, sizeof kAttacks / sizeof kAttacks[0]};
}

}  // namespace hostile
