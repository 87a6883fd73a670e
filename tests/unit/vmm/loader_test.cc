// load_kernel() and load_initrd() into real guest memory.
#include "vmm/boot/loader.h"

#include <gtest/gtest.h>

#include "unit/vmm/kernel_file.h"

namespace anchorhold::vmm {
namespace {

using memory::GuestAddress;
using memory::GuestMemory;
using test::file_of;
using test::KernelFile;

constexpr uint64_t kMemory = 64ULL << 20;

std::string text_at(const GuestMemory& memory, uint64_t address, size_t size) {
    std::string out(size, '\0');
    EXPECT_TRUE(memory.read(GuestAddress(address), std::as_writable_bytes(std::span(out))));
    return out;
}

TEST(Loader, kernel_lands_where_its_headers_say) {
    const auto memory = GuestMemory::create(kMemory);
    ASSERT_TRUE(memory);
    const auto kernel = load_kernel(**memory, file_of(KernelFile().bytes()).get());
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->entry, test::kEntry);
    EXPECT_EQ(text_at(**memory, test::kTextAddress, 0x81), std::string(0x80, 'T') + '\0');
    EXPECT_EQ(text_at(**memory, test::kDataAddress, 0x41), std::string(0x40, 'D') + '\0');
}

TEST(Loader, kernel_beyond_memory_is_refused) {
    const auto memory = GuestMemory::create(kMemory);
    ASSERT_TRUE(memory);
    KernelFile file;
    file.program_headers[1].p_memsz = kMemory;
    const auto kernel = load_kernel(**memory, file_of(file.bytes()).get());
    ASSERT_FALSE(kernel);
    EXPECT_EQ(kernel.error().message,
              "it does not fit into 64 MiB of memory, up to 66 MiB are needed");
}

TEST(Loader, initrd_is_aligned_behind_the_kernel) {
    const auto memory = GuestMemory::create(kMemory);
    ASSERT_TRUE(memory);
    const auto range = load_initrd(**memory, file_of("cpio").get(), 0x203001);
    ASSERT_TRUE(range) << range.error().message;
    EXPECT_EQ(range->start.value(), 0x400000U);
    EXPECT_EQ(range->size, 4U);
    EXPECT_EQ(text_at(**memory, 0x400000, 4), "cpio");
}

TEST(Loader, empty_initrd_is_none) {
    const auto memory = GuestMemory::create(kMemory);
    ASSERT_TRUE(memory);
    const auto range = load_initrd(**memory, file_of("").get(), 0x200000);
    ASSERT_TRUE(range);
    EXPECT_EQ(range->size, 0U);
}

TEST(Loader, initrd_beyond_memory_is_refused) {
    const auto memory = GuestMemory::create(kMemory);
    ASSERT_TRUE(memory);
    const auto range = load_initrd(**memory, file_of("cpio").get(), kMemory - 3);
    ASSERT_FALSE(range);
    EXPECT_NE(range.error().message.find("do not fit"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::vmm
