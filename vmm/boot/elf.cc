// The ELF file is input: every number in it is checked before it is used.
#include "vmm/boot/elf.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "base/checked_math.h"
#include "base/sys.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

constexpr uint16_t kMaxProgramHeaders = 64;
constexpr uint64_t kMaxNotes = 64 * 1024;
constexpr uint32_t kPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY, xen/include/public/elfnote.h

static_assert(sizeof(Elf64_Ehdr) == 64 && sizeof(Elf64_Phdr) == 56 && sizeof(Elf64_Nhdr) == 12);

template <typename T>
Status read_at(int fd, std::span<T> out, uint64_t offset) {
    return sys::read_exact_at(fd, std::as_writable_bytes(out), offset, "ELF headers");
}

std::optional<uint64_t> sum(uint64_t a, uint64_t b) {
    return (Checked(a) + b).value();
}

Result<Elf64_Ehdr> read_header(int fd, uint64_t file_size) {
    Elf64_Ehdr header{};
    if (file_size < sizeof header) {
        return fail("not an ELF file: only " + std::to_string(file_size) + " bytes");
    }
    ANCHORHOLD_TRY(read_at(fd, std::span(&header, 1), 0));
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return fail("not an ELF file (an uncompressed vmlinux is needed, not a bzImage)");
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64) {
        return fail("not a 64-bit x86 ELF file");
    }
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
        return fail("not an executable ELF file");
    }
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
        header.e_phnum > kMaxProgramHeaders) {
        return fail("its ELF program headers are malformed");
    }
    return header;
}

Result<KernelSegment> checked_segment(const Elf64_Phdr& header, uint64_t file_size) {
    const auto file_end = sum(header.p_offset, header.p_filesz);
    if (!file_end || *file_end > file_size) {
        return fail("truncated: a segment ends at byte " +
                    (file_end ? std::to_string(*file_end) : std::string("2^64")) + " of " +
                    std::to_string(file_size));
    }
    if (header.p_filesz > header.p_memsz || !sum(header.p_paddr, header.p_memsz)) {
        return fail("a segment's sizes contradict each other");
    }
    if (header.p_paddr < layout::kHighMemory) {
        return fail("a segment is to be loaded below 1 MiB");
    }
    return KernelSegment{header.p_offset, header.p_filesz, header.p_paddr, header.p_memsz};
}

Status order(std::vector<KernelSegment>& segments) {
    std::sort(segments.begin(), segments.end(),
              [](const auto& a, const auto& b) { return a.guest_address < b.guest_address; });
    for (size_t i = 1; i < segments.size(); ++i) {
        if (segments[i].guest_address - segments[i - 1].guest_address <
            segments[i - 1].memory_size) {
            return fail("two of its segments overlap");
        }
    }
    return {};
}

// The entry point from one PT_NOTE segment's bytes, if it is there and well formed.
std::optional<uint64_t> find_entry(std::span<const std::byte> notes) {
    const auto padded = [](uint64_t size) { return (size + 3) & ~uint64_t{3}; };
    while (notes.size() >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note{};
        std::memcpy(&note, notes.data(), sizeof note);
        notes = notes.subspan(sizeof note);
        const uint64_t name_size = padded(note.n_namesz);
        const uint64_t size = name_size + padded(note.n_descsz);  // two 32-bit numbers: no overflow
        if (name_size > notes.size() || note.n_descsz > notes.size() - name_size) {
            return std::nullopt;
        }
        if (note.n_type == kPhys32Entry && note.n_namesz == 4 &&
            std::memcmp(notes.data(), "Xen", 4) == 0 &&
            (note.n_descsz == 4 || note.n_descsz == 8)) {
            uint64_t entry = 0;
            std::memcpy(&entry, notes.data() + name_size, note.n_descsz);
            return entry;
        }
        notes = notes.subspan(std::min<uint64_t>(size, notes.size()));
    }
    return std::nullopt;
}

Result<std::optional<uint64_t>> read_entry(int fd, const Elf64_Phdr& header, uint64_t file_size) {
    const auto end = sum(header.p_offset, header.p_filesz);
    if (!end || *end > file_size || header.p_filesz > kMaxNotes) {
        return fail("truncated: its notes are outside the file");
    }
    std::vector<std::byte> notes(header.p_filesz);
    ANCHORHOLD_TRY(read_at(fd, std::span(notes), header.p_offset));
    return find_entry(notes);
}

}  // namespace

uint64_t KernelImage::end() const {
    const KernelSegment& last = segments.back();
    return last.guest_address + last.memory_size;
}

Result<KernelImage> read_kernel_image(int fd) {
    const uint64_t file_size = ANCHORHOLD_TRY(sys::file_size(fd, "the kernel"));
    const Elf64_Ehdr header = ANCHORHOLD_TRY(read_header(fd, file_size));
    std::vector<Elf64_Phdr> program_headers(header.e_phnum);
    const auto headers_end = sum(header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr));
    if (!headers_end || *headers_end > file_size) {
        return fail("truncated: its program headers are outside the file");
    }
    ANCHORHOLD_TRY(read_at(fd, std::span(program_headers), header.e_phoff));

    KernelImage image{};
    std::optional<uint64_t> entry;
    for (const Elf64_Phdr& program_header : program_headers) {
        if (program_header.p_type == PT_LOAD && program_header.p_memsz > 0) {
            image.segments.push_back(ANCHORHOLD_TRY(checked_segment(program_header, file_size)));
        } else if (program_header.p_type == PT_NOTE && !entry) {
            entry = ANCHORHOLD_TRY(read_entry(fd, program_header, file_size));
        }
    }
    if (image.segments.empty()) {
        return fail("it has nothing to load");
    }
    ANCHORHOLD_TRY(order(image.segments));
    if (!entry) {
        return fail("it has no PVH entry note (build it with CONFIG_PVH=y)");
    }
    const bool inside = std::any_of(image.segments.begin(), image.segments.end(),
                                    [&](const KernelSegment& segment) {
                                        return *entry >= segment.guest_address &&
                                               *entry - segment.guest_address < segment.memory_size;
                                    });
    if (!inside || *entry > UINT32_MAX) {
        return fail("its PVH entry point is outside what is loaded");
    }
    image.entry = static_cast<uint32_t>(*entry);
    return image;
}

}  // namespace anchorhold::vmm
