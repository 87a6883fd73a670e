// Lays the start info, its memory map and its module out one behind the other.
#include "vmm/boot/start_info.h"

#include <string>
#include <vector>

#include "base/check.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

using memory::GuestAddress;

enum E820 : uint32_t { kRam = 1, kReserved = 2 };

std::vector<StartInfoMemory> memory_map(const memory::GuestMemory& memory) {
    std::vector<StartInfoMemory> map;
    const auto add = [&](uint64_t start, uint64_t end, E820 type) {
        map.push_back({.address = start, .size = end - start, .type = type, .reserved = 0});
    };
    for (const memory::Region& region : memory.regions()) {
        const uint64_t start = region.guest.value();
        const uint64_t end = start + region.size;
        if (start != 0) {
            add(start, end, kRam);
            continue;
        }
        add(0, layout::kMpTable, kRam);
        add(layout::kMpTable, layout::kMpTable + layout::kMpTableMax, kReserved);
        add(layout::kHighMemory, end, kRam);
    }
    return map;
}

}  // namespace

Status write_start_info(const memory::GuestMemory& memory, std::string_view command_line,
                        memory::GuestRange initrd) {
    if (command_line.size() >= layout::kCommandLineMax) {
        return fail("kernel command line: " + std::to_string(command_line.size()) +
                    " bytes, Linux reads at most " + std::to_string(layout::kCommandLineMax - 1));
    }
    const auto map = memory_map(memory);
    const uint64_t map_address = layout::kStartInfo + sizeof(StartInfo);
    const uint64_t module_address = map_address + map.size() * sizeof(StartInfoMemory);
    ANCHORHOLD_CHECK(module_address + sizeof(StartInfoModule) <= layout::kCommandLine);

    const StartInfo info{.magic = kStartInfoMagic,
                         .version = 1,
                         .flags = 0,
                         .module_count = initrd.size > 0 ? 1U : 0U,
                         .module_list = module_address,
                         .command_line = layout::kCommandLine,
                         .rsdp = 0,
                         .memory_map = map_address,
                         .memory_map_entries = static_cast<uint32_t>(map.size()),
                         .reserved = 0};
    const StartInfoModule module{
        .address = initrd.start.value(), .size = initrd.size, .command_line = 0, .reserved = 0};
    const std::string terminated(command_line);
    const bool written =
        memory.store(GuestAddress(layout::kStartInfo), info) &&
        memory.write(GuestAddress(map_address), std::as_bytes(std::span(map))) &&
        memory.store(GuestAddress(module_address), module) &&
        memory.write(GuestAddress(layout::kCommandLine),
                     std::as_bytes(std::span(terminated.c_str(), terminated.size() + 1)));
    ANCHORHOLD_CHECK(written);  // all of it lies below the least memory a machine has
    return {};
}

}  // namespace anchorhold::vmm
