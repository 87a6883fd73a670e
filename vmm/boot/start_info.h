// The PVH boot protocol: what the kernel finds through %rbx
// (xen/include/public/arch-x86/hvm/start_info.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/endian.h"
#include "base/result.h"
#include "memory/guest_address.h"
#include "memory/guest_memory.h"

namespace anchorhold::vmm {

constexpr uint32_t kStartInfoMagic = 0x336ec578;

// struct hvm_start_info, version 1.
struct StartInfo {
    Le32 magic;
    Le32 version;
    Le32 flags;
    Le32 module_count;
    Le64 module_list;
    Le64 command_line;
    Le64 rsdp;
    Le64 memory_map;
    Le32 memory_map_entries;
    Le32 reserved;
};
static_assert(sizeof(StartInfo) == 56);

// struct hvm_modlist_entry.
struct StartInfoModule {
    Le64 address;
    Le64 size;
    Le64 command_line;
    Le64 reserved;
};
static_assert(sizeof(StartInfoModule) == 32);

// struct hvm_memmap_table_entry.
struct StartInfoMemory {
    Le64 address;
    Le64 size;
    Le32 type;  // as in E820
    Le32 reserved;
};
static_assert(sizeof(StartInfoMemory) == 24);

// Writes hvm_start_info at layout::kStartInfo with the memory map, `initrd` as module 0 (none where
// its size is 0) and the command line. An error when the command line is longer than Linux reads.
Status write_start_info(const memory::GuestMemory& memory, std::string_view command_line,
                        memory::GuestRange initrd);

}  // namespace anchorhold::vmm
