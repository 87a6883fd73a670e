// The PVH start info as a kernel would read it.
#include "vmm/boot/start_info.h"

#include <gtest/gtest.h>

#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

using memory::GuestAddress;
using memory::GuestMemory;

std::vector<StartInfoMemory> map_of(const GuestMemory& memory) {
    const auto info = memory.load<StartInfo>(GuestAddress(layout::kStartInfo));
    std::vector<StartInfoMemory> map;
    for (uint32_t i = 0; i < info->memory_map_entries; ++i) {
        map.push_back(*memory.load<StartInfoMemory>(
            GuestAddress(info->memory_map + i * sizeof(StartInfoMemory))));
    }
    return map;
}

TEST(StartInfo, small_machine_has_low_reserved_and_high_memory) {
    const auto memory = GuestMemory::create(64ULL << 20);
    ASSERT_TRUE(memory);
    ASSERT_TRUE(write_start_info(**memory, "quiet", {GuestAddress(0x400000), 512}));
    const auto info = (*memory)->load<StartInfo>(GuestAddress(layout::kStartInfo));
    EXPECT_EQ(info->magic, kStartInfoMagic);
    EXPECT_EQ(info->module_count, 1U);
    const auto module = (*memory)->load<StartInfoModule>(GuestAddress(info->module_list));
    EXPECT_EQ(module->address, 0x400000U);
    EXPECT_EQ(module->size, 512U);
    std::array<char, 6> line{};
    ASSERT_TRUE(
        (*memory)->read(GuestAddress(info->command_line), std::as_writable_bytes(std::span(line))));
    EXPECT_STREQ(line.data(), "quiet");
    const auto map = map_of(**memory);
    ASSERT_EQ(map.size(), 3U);
    EXPECT_EQ(map[1].type, 2U);
    EXPECT_EQ(map[1].address, layout::kMpTable);
    EXPECT_EQ(map[2].address + map[2].size, 64ULL << 20);
}

TEST(StartInfo, large_machine_continues_at_four_gib) {
    const auto memory = GuestMemory::create(5ULL << 30);
    ASSERT_TRUE(memory);
    ASSERT_TRUE(write_start_info(**memory, "", {}));
    const auto map = map_of(**memory);
    ASSERT_EQ(map.size(), 4U);
    EXPECT_EQ(map[2].address + map[2].size, memory::kHoleStart);
    EXPECT_EQ(map[3].address, memory::kHoleEnd);
    EXPECT_EQ(map[3].size, 2ULL << 30);
}

TEST(StartInfo, no_initrd_is_no_module) {
    const auto memory = GuestMemory::create(64ULL << 20);
    ASSERT_TRUE(memory);
    ASSERT_TRUE(write_start_info(**memory, "", {}));
    EXPECT_EQ((*memory)->load<StartInfo>(GuestAddress(layout::kStartInfo))->module_count, 0U);
}

TEST(StartInfo, command_line_longer_than_linux_reads_is_refused) {
    const auto memory = GuestMemory::create(64ULL << 20);
    ASSERT_TRUE(memory);
    EXPECT_TRUE(write_start_info(**memory, std::string(2047, 'a'), {}));
    EXPECT_FALSE(write_start_info(**memory, std::string(2048, 'a'), {}));
}

}  // namespace
}  // namespace anchorhold::vmm
