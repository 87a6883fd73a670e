// Any bytes as a compressed memory file: refused, or chunks of exactly their size come out or fail.
#include <vector>

#include "base/check.h"
#include "base/sys.h"
#include "fuzz_input.h"
#include "pager/compressed_memory.h"
#include "sealed_input.h"
#include "snapshot/memory_digests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    // 's', a length, that many bytes of head to be sealed, then frames; anything else is a file.
    std::string file(reinterpret_cast<const char*>(data), size);
    if (size > 0 && data[0] == 's') {
        fuzz::FuzzInput input(data + 1, size - 1);
        const auto head = input.take_bytes(input.take<uint8_t>());
        const auto frames = input.take_bytes(size);
        file = snapshot::seal_payload(
            {.kind = snapshot::Kind::kCompressedMemory, .version = 1, .max_payload = 255},
            {reinterpret_cast<const char*>(head.data()), head.size()});
        file.append(reinterpret_cast<const char*>(frames.data()), frames.size());
    }
    auto memory = sys::memfd("compressed", 0);
    ANCHORHOLD_CHECK(memory.has_value() && sys::write_all(memory->get(), file).has_value());
    const auto opened = pager::CompressedMemory::open(std::move(*memory));
    fuzz::expect_one_line(opened);
    if (!opened) {
        return 0;
    }
    const uint64_t bytes = (*opened)->memory_bytes();
    ANCHORHOLD_CHECK(bytes > 0 && bytes <= snapshot::kMaxDigestedMemory);
    for (uint64_t index = 0; index < snapshot::chunk_count(bytes); ++index) {
        // A buffer of exactly this size, so that AddressSanitizer sees the first byte past it.
        std::vector<std::byte> chunk(
            std::min(snapshot::kChunkBytes, bytes - index * snapshot::kChunkBytes));
        fuzz::expect_one_line((*opened)->read_chunk(index, chunk));
    }
    return 0;
}
