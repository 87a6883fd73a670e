// Any bytes as a table of memory digests: refused, or a digest for each chunk.
#include "base/check.h"
#include "sealed_input.h"
#include "snapshot/memory_digests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    const std::string file = fuzz::sealed_input(
        data, size,
        {.kind = snapshot::Kind::kMemoryDigests, .version = 1, .max_payload = uint64_t{64} << 20});
    const auto opened = snapshot::open_digests(file);
    fuzz::expect_one_line(opened);
    if (opened) {
        ANCHORHOLD_CHECK(opened->chunks.size() == snapshot::chunk_count(opened->memory_bytes));
        ANCHORHOLD_CHECK(opened->chunk_bytes(opened->chunks.size() - 1) > 0);
        ANCHORHOLD_CHECK(snapshot::seal(*opened) == file);
    }
    return 0;
}
