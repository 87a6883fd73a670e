// Heap settings, and the program's read-only segments as the kernel mapped them.
#include "vmm/footprint.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>

namespace anchorhold::vmm {
namespace {

constexpr uintptr_t kPageMask = 4095;

// Only segments that were never writable: relocated ones hold what the file does not.
int drop_segments(dl_phdr_info* program, size_t, void*) {
    for (ElfW(Half) i = 0; i < program->dlpi_phnum; ++i) {
        const ElfW(Phdr)& segment = program->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) {
            continue;
        }
        const uintptr_t start = (program->dlpi_addr + segment.p_vaddr) & ~kPageMask;
        const uintptr_t end = program->dlpi_addr + segment.p_vaddr + segment.p_memsz;
        // Advice: where it is refused, the pages stay.
        ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
    }
    return 1;  // the program itself comes first; libraries are others' too
}

}  // namespace

void limit_heap() {
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
}

void shed_start_code() {
    ::dl_iterate_phdr(drop_segments, nullptr);
}

}  // namespace anchorhold::vmm
