// A tiny but well-formed PVH kernel file to break in one place at a time.
#pragma once

#include <elf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace anchorhold::vmm::test {

struct KernelFile {
    Elf64_Ehdr header;
    std::vector<Elf64_Phdr>
        program_headers;  // behind the header; [0] and [1] are PT_LOAD, [2] is PT_NOTE
    std::string notes;
    std::string text;  // of the first segment
    std::string data;  // of the second

    // Everything right: text at 1 MiB, data with zeros behind it at 2 MiB, entry at 1 MiB + 16.
    KernelFile();

    // The bytes of the file, cut at `size`.
    [[nodiscard]] std::string bytes(size_t size = SIZE_MAX) const;
};

constexpr uint64_t kTextAddress = 0x100000;
constexpr uint64_t kDataAddress = 0x200000;
constexpr uint64_t kEntry = kTextAddress + 16;

// One ELF note with its padding.
std::string note(uint32_t type, const std::string& name, const std::string& description);

// An anonymous file that holds `bytes`.
OwnFd file_of(const std::string& bytes);

}  // namespace anchorhold::vmm::test
