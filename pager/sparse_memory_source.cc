// Positional reads.
#include "pager/sparse_memory_source.h"

#include "base/sys.h"
#include "snapshot/memory_digests.h"

namespace anchorhold::pager {

Result<std::unique_ptr<SparseMemorySource>> SparseMemorySource::open(OwnFd file) {
    const uint64_t bytes = ANCHORHOLD_TRY(sys::file_size(file.get(), "memory file"));
    return std::unique_ptr<SparseMemorySource>(new SparseMemorySource(std::move(file), bytes));
}

Status SparseMemorySource::read_chunk(uint64_t index, std::span<std::byte> chunk) {
    return sys::read_exact_at(file_.get(), chunk, index * snapshot::kChunkBytes, "memory file");
}

}  // namespace anchorhold::pager
