// read_kernel_image() on good, cut and hostile files.
#include "vmm/boot/elf.h"

#include <gtest/gtest.h>

#include <functional>

#include "unit/vmm/kernel_file.h"

namespace anchorhold::vmm {
namespace {

using test::file_of;
using test::KernelFile;

TEST(Elf, well_formed_kernel_gives_segments_and_entry) {
    const auto image = read_kernel_image(file_of(KernelFile().bytes()).get());
    ASSERT_TRUE(image) << image.error().message;
    ASSERT_EQ(image->segments.size(), 2U);
    EXPECT_EQ(image->segments[0].guest_address, test::kTextAddress);
    EXPECT_EQ(image->segments[1].memory_size, 0x3000U);
    EXPECT_EQ(image->entry, test::kEntry);
    EXPECT_EQ(image->end(), test::kDataAddress + 0x3000);
}

TEST(Elf, four_byte_entry_is_read) {
    KernelFile file;
    file.notes = test::note(18, std::string("Xen\0", 4), std::string("\x20\x00\x10\x00", 4));
    file.program_headers[2].p_filesz = file.notes.size();
    const auto image = read_kernel_image(file_of(file.bytes()).get());
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->entry, 0x100020U);
}

TEST(Elf, every_truncation_is_an_error) {
    const std::string whole = KernelFile().bytes();
    for (size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(read_kernel_image(file_of(whole.substr(0, size)).get())) << size << " bytes";
    }
}

struct Broken {
    const char* name;
    std::function<void(KernelFile&)> spoil;
    const char* message;
};

class ElfBroken : public testing::TestWithParam<Broken> {};

TEST_P(ElfBroken, file_is_refused_with_its_reason) {
    KernelFile file;
    GetParam().spoil(file);
    const auto image = read_kernel_image(file_of(file.bytes()).get());
    ASSERT_FALSE(image);
    EXPECT_NE(image.error().message.find(GetParam().message), std::string::npos)
        << image.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Table, ElfBroken,
    testing::Values(
        Broken{"magic", [](auto& f) { f.header.e_ident[0] = 'M'; }, "not an ELF file"},
        Broken{"class", [](auto& f) { f.header.e_ident[EI_CLASS] = ELFCLASS32; }, "not a 64-bit"},
        Broken{"machine", [](auto& f) { f.header.e_machine = EM_AARCH64; }, "not a 64-bit x86"},
        Broken{"type", [](auto& f) { f.header.e_type = ET_REL; }, "not an executable"},
        Broken{"entry_size", [](auto& f) { f.header.e_phentsize = 32; }, "malformed"},
        Broken{"no_headers", [](auto& f) { f.header.e_phnum = 0; }, "malformed"},
        Broken{"many_headers", [](auto& f) { f.header.e_phnum = 65535; }, "malformed"},
        Broken{"header_offset", [](auto& f) { f.header.e_phoff = UINT64_MAX - 8; }, "truncated"},
        Broken{"segment_past_end", [](auto& f) { f.program_headers[0].p_offset = 1U << 30; },
               "truncated"},
        Broken{"segment_wraps", [](auto& f) { f.program_headers[0].p_offset = UINT64_MAX; },
               "truncated"},
        Broken{"memory_smaller", [](auto& f) { f.program_headers[0].p_memsz = 1; }, "contradict"},
        Broken{"memory_wraps", [](auto& f) { f.program_headers[1].p_memsz = UINT64_MAX; },
               "contradict"},
        Broken{"below_one_mib", [](auto& f) { f.program_headers[0].p_paddr = 0xff000; },
               "below 1 MiB"},
        Broken{"overlap", [](auto& f) { f.program_headers[1].p_paddr = test::kTextAddress + 0x7f; },
               "overlap"},
        Broken{"nothing_to_load",
               [](auto& f) {
                   f.program_headers[0].p_type = PT_NULL;
                   f.program_headers[1].p_type = PT_NULL;
               },
               "nothing to load"},
        Broken{"no_note", [](auto& f) { f.program_headers[2].p_type = PT_NULL; }, "no PVH"},
        Broken{"notes_past_end", [](auto& f) { f.program_headers[2].p_offset = 1U << 30; },
               "notes are outside"},
        Broken{"huge_notes", [](auto& f) { f.program_headers[2].p_filesz = 1U << 20; },
               "notes are outside"},
        Broken{"note_name_overflows", [](auto& f) { f.notes.replace(0, 4, "\xff\xff\xff\xff", 4); },
               "no PVH"},
        Broken{"note_description_overflows",
               [](auto& f) { f.notes.replace(4, 4, "\xfd\xff\xff\xff", 4); }, "no PVH"},
        Broken{"entry_outside",
               [](auto& f) {
                   f.notes = test::note(18, std::string("Xen\0", 4), std::string(8, '\x7f'));
                   f.program_headers[2].p_filesz = f.notes.size();
               },
               "outside what is loaded"}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace anchorhold::vmm
