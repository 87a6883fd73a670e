// Reads go straight into guest memory; nothing is copied twice and nothing that stays zero is
// touched.
#include "vmm/boot/loader.h"

#include <string>

#include "base/sys.h"
#include "vmm/boot/elf.h"

namespace anchorhold::vmm {
namespace {

using memory::GuestAddress;

constexpr uint64_t kInitrdAlignment = 2ULL << 20;

std::string mebibytes(uint64_t bytes) {
    return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

}  // namespace

Result<LoadedKernel> load_kernel(const memory::GuestMemory& memory, int fd) {
    const KernelImage image = ANCHORHOLD_TRY(read_kernel_image(fd));
    for (const KernelSegment& segment : image.segments) {
        const auto place = memory.slice(GuestAddress(segment.guest_address), segment.memory_size);
        if (!place) {
            return fail("it does not fit into " + mebibytes(memory.size()) + " of memory, up to " +
                        mebibytes(image.end()) + " are needed");
        }
        ANCHORHOLD_TRY(sys::read_exact_at(fd, place->first(segment.file_size), segment.file_offset,
                                          "a segment"));
    }
    return LoadedKernel{image.entry, image.end()};
}

Result<memory::GuestRange> load_initrd(const memory::GuestMemory& memory, int fd, uint64_t above) {
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(fd, "the file"));
    const GuestAddress start((above + kInitrdAlignment - 1) & ~(kInitrdAlignment - 1));
    const auto place = memory.slice(start, size);
    if (!place) {
        return fail("its " + mebibytes(size) + " do not fit into " + mebibytes(memory.size()) +
                    " of memory behind the kernel");
    }
    ANCHORHOLD_TRY(sys::read_exact_at(fd, *place, 0, "the file"));
    return memory::GuestRange{start, size};
}

}  // namespace anchorhold::vmm
