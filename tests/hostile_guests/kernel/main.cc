// A guest that attacks as it is told: the initial RAM disk names the attacks, one a line. What came
// of each is said on the serial port until the balloon's target asks for the end.
#include "attack.h"
#include "driver.h"

namespace hostile {
namespace {

// xen/include/public/arch-x86/hvm/start_info.h.
struct StartInfo {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};
struct Module {
    uint64_t address, size, command_line, reserved;
};
struct MemoryRange {
    uint64_t address, size;
    uint32_t type, reserved;
};

Surroundings look_around(const StartInfo& info) {
    Surroundings around{};
    const auto* const ranges = reinterpret_cast<const MemoryRange*>(info.memory_map);
    for (uint32_t i = 0; i < info.memory_map_entries; ++i) {
        const uint64_t end = ranges[i].address + ranges[i].size;
        around.memory_end = end > around.memory_end ? end : around.memory_end;
    }
    const auto* const module = reinterpret_cast<const Module*>(info.module_list);
    around.orders = reinterpret_cast<const char*>(module->address);
    around.orders_size = module->size;
    return around;
}

bool is_ordered(const Surroundings& around, const char* name) {
    for (uint64_t at = 0; at < around.orders_size;) {
        const char* wanted = name;
        while (at < around.orders_size && *wanted != '\0' && around.orders[at] == *wanted) {
            ++at;
            ++wanted;
        }
        if (*wanted == '\0' && (at == around.orders_size || around.orders[at] == '\n')) {
            return true;
        }
        while (at < around.orders_size && around.orders[at] != '\n') {
            ++at;
        }
        ++at;
    }
    return false;
}

constexpr uint64_t kMostReports = 128;
struct Report {
    const char* name;
    Result result;
};
constinit Report reports[kMostReports]{};
uint64_t report_count = 0;

void say(const Report& report) {
    print("attack ");
    print(report.name);
    print(" made ");
    print(report.result.made);
    print(" ");
    print(report.result.outcome);
    print("\n");
}

void make_ordered(const Attacks& attacks, const Surroundings& around) {
    for (uint64_t i = 0; i < attacks.count; ++i) {
        const Attack& attack = attacks.first[i];
        if (is_ordered(around, attack.name) && report_count < kMostReports) {
            reports[report_count] = {attack.name, attack.make(around)};
            say(reports[report_count++]);
        }
    }
}

}  // namespace

extern "C" void attack_as_told(const StartInfo* info) {
    install_exception_handler();
    const Surroundings around = look_around(*info);
    for (const Attacks& attacks : {ring_attacks(), register_attacks(), vsock_attacks(),
                                   disk_attacks(), processor_attacks()}) {
        make_ordered(attacks, around);
    }
    // Lines may be dropped where there were floods of them: said again until somebody heard.
    constexpr uint64_t kLooksBetween = 500;
    const Device balloon(Slot::kBalloon);
    for (uint64_t look = 1; balloon.get(Register::kConfig) == 0; ++look) {
        if (look % kLooksBetween == 0) {
            for (uint64_t i = 0; i < report_count; ++i) {
                say(reports[i]);
            }
            print("done\n");
        }
    }
    reset();
}

}  // namespace hostile
