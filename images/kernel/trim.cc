// Rewrites a vmlinux so that it holds only what loading needs: no sections, no symbols, no padding.
//
//   trim INPUT OUTPUT
//
// The kernel's linker script aligns the parts of its segments to 2 MiB, and the padding is as much
// as a third of the bytes. Every start of a guest would read it, copy it and back it with memory;
// so each PT_LOAD is split at long runs of filler. Zeros stay in the memory size of the piece
// before them; int3, which pads between functions and is never executed, is dropped. The pieces'
// file offsets are congruent to their addresses modulo the page size, so that the result can also
// be mapped.

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

constexpr std::uint64_t kPage = 4096;
// A shorter run costs less to copy than one more segment costs to load.
constexpr std::uint64_t kWorthSplitting = 16 * kPage;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "trim: %s\n", what.c_str());
    std::exit(1);
}

// How long the filler that starts at `offset` runs, in whole pages and at most to `end`.
std::uint64_t filler_length(const std::vector<char>& input, std::uint64_t offset, std::uint64_t end,
                            char filler) {
    std::uint64_t at = offset;
    while (end - at >= kPage) {
        const auto page = input.begin() + static_cast<std::ptrdiff_t>(at);
        if (!std::all_of(page, page + kPage, [=](char byte) { return byte == filler; }))
            break;
        at += kPage;
    }
    return at - offset;
}

// Splits one PT_LOAD at its runs of filler and appends the pieces, their offsets still into the
// input.
void split(const std::vector<char>& input, const Elf64_Phdr& segment,
           std::vector<Elf64_Phdr>& pieces) {
    if (segment.p_paddr % kPage != 0)
        fail("a segment does not start on a page");
    const auto open_piece = [&](std::uint64_t at) {
        pieces.push_back(segment);
        pieces.back().p_offset += at;
        pieces.back().p_vaddr += at;
        pieces.back().p_paddr += at;
        pieces.back().p_filesz = pieces.back().p_memsz = 0;
        pieces.back().p_align = kPage;
    };
    const std::uint64_t end = segment.p_offset + segment.p_filesz;
    open_piece(0);
    for (std::uint64_t at = 0; at < segment.p_filesz;) {
        const std::uint64_t zeros = filler_length(input, segment.p_offset + at, end, '\0');
        const std::uint64_t traps = filler_length(input, segment.p_offset + at, end, '\xcc');
        if (zeros + traps >= kWorthSplitting) {
            pieces.back().p_memsz += zeros;
            at += zeros + traps;
            if (at < segment.p_filesz)
                open_piece(at);
        } else {
            const std::uint64_t size =
                std::min(std::max(kPage, zeros + traps), segment.p_filesz - at);
            pieces.back().p_filesz += size;
            pieces.back().p_memsz += size;
            at += size;
        }
    }
    pieces.back().p_memsz = segment.p_paddr + segment.p_memsz - pieces.back().p_paddr;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3)
        fail("usage: trim INPUT OUTPUT");
    std::ifstream file(argv[1], std::ios::binary);
    const std::vector<char> input{std::istreambuf_iterator<char>(file), {}};
    Elf64_Ehdr elf;
    if (input.size() < sizeof elf)
        fail(std::string(argv[1]) + ": cannot be read or is no ELF file");
    std::memcpy(&elf, input.data(), sizeof elf);
    if (std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_phentsize != sizeof(Elf64_Phdr) ||
        elf.e_phoff + elf.e_phnum * sizeof(Elf64_Phdr) > input.size()) {
        fail(std::string(argv[1]) + ": not a 64-bit ELF file with program headers");
    }

    std::vector<Elf64_Phdr> pieces;
    std::vector<Elf64_Phdr> notes;
    for (std::size_t i = 0; i < elf.e_phnum; ++i) {
        Elf64_Phdr segment;
        std::memcpy(&segment, input.data() + elf.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_offset + segment.p_filesz > input.size())
            fail("a segment reaches past the end of the file");
        if (segment.p_type == PT_LOAD)
            split(input, segment, pieces);
        if (segment.p_type == PT_NOTE)
            notes.push_back(segment);
    }

    // Headers, then the pieces in order, each at the next offset that is congruent to its address.
    std::vector<Elf64_Phdr> headers;
    std::vector<char> output;
    std::uint64_t end = sizeof elf + (pieces.size() + notes.size()) * sizeof(Elf64_Phdr);
    for (Elf64_Phdr header : pieces) {
        end += (header.p_paddr % kPage + kPage - end % kPage) % kPage;
        for (Elf64_Phdr& note : notes) {  // notes lie inside a piece and move with it
            if (note.p_paddr >= header.p_paddr &&
                note.p_paddr + note.p_filesz <= header.p_paddr + header.p_filesz) {
                note.p_offset = end + (note.p_paddr - header.p_paddr);
            }
        }
        output.resize(end);
        const auto from = input.begin() + static_cast<std::ptrdiff_t>(header.p_offset);
        output.insert(output.end(), from, from + static_cast<std::ptrdiff_t>(header.p_filesz));
        header.p_offset = end;
        end = output.size();
        headers.push_back(header);
    }
    headers.insert(headers.end(), notes.begin(), notes.end());

    elf.e_phoff = sizeof elf;
    elf.e_phnum = static_cast<Elf64_Half>(headers.size());
    elf.e_shoff = 0;
    elf.e_shnum = elf.e_shstrndx = 0;
    std::memcpy(output.data(), &elf, sizeof elf);
    std::memcpy(output.data() + sizeof elf, headers.data(), headers.size() * sizeof(Elf64_Phdr));
    std::ofstream result(argv[2], std::ios::binary);
    result.write(output.data(), static_cast<std::streamsize>(output.size()));
    if (!result.flush())
        fail(std::string(argv[2]) + ": cannot be written");
}
