// The MP table read back entry by entry.
#include "vmm/boot/mp_table.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <span>

#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

unsigned total(std::span<const std::byte> bytes) {
    return std::accumulate(
               bytes.begin(), bytes.end(), 0U,
               [](unsigned sum, std::byte b) { return sum + std::to_integer<unsigned>(b); }) &
           0xff;
}

class MpTable : public testing::TestWithParam<uint32_t> {};

TEST_P(MpTable, checksums_are_zero_and_entries_complete) {
    const auto table = mp_table(GetParam());
    ASSERT_LE(table.size(), layout::kMpTableMax);
    const std::span<const std::byte> bytes(table);
    EXPECT_EQ(total(bytes.first(16)), 0U);
    EXPECT_EQ(total(bytes.subspan(16)), 0U);
    const auto byte = [&](size_t at) { return std::to_integer<unsigned>(bytes[at]); };
    EXPECT_EQ(byte(20) | byte(21) << 8, table.size() - 16);

    std::map<unsigned, unsigned> entries;
    size_t at = 16 + 44;
    while (at < table.size()) {
        ++entries[byte(at)];
        at += byte(at) == 0 ? 20 : 8;
    }
    EXPECT_EQ(at, table.size());
    EXPECT_EQ(entries[0], GetParam());                               // processors
    EXPECT_EQ(entries[1], 1U);                                       // bus
    EXPECT_EQ(entries[2], 1U);                                       // IOAPIC
    EXPECT_EQ(entries[3], 16U);                                      // ISA interrupts
    EXPECT_EQ(entries[4], 2U);                                       // local interrupts
    EXPECT_EQ(byte(16 + 34) | byte(16 + 35) << 8, GetParam() + 20);  // entry count
}

INSTANTIATE_TEST_SUITE_P(Processors, MpTable, testing::Values(1U, 2U, 4U, 8U));

TEST(MpTableProcessors, only_the_first_is_the_boot_processor) {
    const auto table = mp_table(2);
    EXPECT_EQ(table[16 + 44 + 3], std::byte{3});
    EXPECT_EQ(table[16 + 44 + 20 + 1], std::byte{1});
    EXPECT_EQ(table[16 + 44 + 20 + 3], std::byte{1});
}

}  // namespace
}  // namespace anchorhold::vmm
