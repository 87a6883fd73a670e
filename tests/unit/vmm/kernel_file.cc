// Headers first, then notes, text and data at fixed offsets.
#include "unit/vmm/kernel_file.h"

#include <cstring>

#include "base/check.h"
#include "base/sys.h"

namespace anchorhold::vmm::test {
namespace {

constexpr uint64_t kNotesOffset = 0x200;
constexpr uint64_t kTextOffset = 0x1000;
constexpr uint64_t kDataOffset = 0x2000;

template <typename T>
std::string raw(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

Elf64_Phdr program_header(uint32_t type, uint64_t offset, uint64_t address, uint64_t size) {
    Elf64_Phdr header{};
    header.p_type = type;
    header.p_offset = offset;
    header.p_paddr = address;
    header.p_filesz = size;
    header.p_memsz = size;
    return header;
}

}  // namespace

std::string note(uint32_t type, const std::string& name, const std::string& description) {
    Elf64_Nhdr header{static_cast<uint32_t>(name.size()), static_cast<uint32_t>(description.size()),
                      type};
    std::string out = raw(header) + name;
    out.resize((out.size() + 3) & ~size_t{3});
    out += description;
    out.resize((out.size() + 3) & ~size_t{3});
    return out;
}

KernelFile::KernelFile() : header{}, text(0x80, 'T'), data(0x40, 'D') {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    notes =
        note(1, std::string("GNU\0", 4), "abcd") + note(18, std::string("Xen\0", 4), raw(kEntry));
    program_headers = {program_header(PT_LOAD, kTextOffset, kTextAddress, text.size()),
                       program_header(PT_LOAD, kDataOffset, kDataAddress, data.size()),
                       program_header(PT_NOTE, kNotesOffset, 0, notes.size())};
    program_headers[1].p_memsz = 0x3000;
}

std::string KernelFile::bytes(size_t size) const {
    std::string out = raw(header);
    for (const Elf64_Phdr& entry : program_headers) {
        out += raw(entry);
    }
    out.resize(kNotesOffset);
    out += notes;
    out.resize(kTextOffset);
    out += text;
    out.resize(kDataOffset);
    out += data;
    return out.substr(0, size);
}

OwnFd file_of(const std::string& bytes) {
    auto fd = sys::memfd("test-file", 0);
    ANCHORHOLD_CHECK(fd.has_value());
    ANCHORHOLD_CHECK(sys::write_all(fd->get(), bytes).has_value());
    return std::move(*fd);
}

}  // namespace anchorhold::vmm::test
