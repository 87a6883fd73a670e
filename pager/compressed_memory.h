// A memory compressed for storage: each chunk by itself, so that any one can be had alone.
//
// File: a sealed head (snapshot/sealed.h, kind compressed memory), then the frames of the chunks
// one after the other. Head's payload, little-endian: bytes of the memory (8), bytes of a chunk
// (8), then 4 bytes for each chunk: the length of its Zstandard frame (RFC 8878), 0 for a chunk of
// zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "pager/memory_source.h"

namespace anchorhold::pager {

// Writes `source`, a sparse memory file of at most snapshot::kMaxDigestedMemory bytes, to `target`,
// an empty file. Its head is written last: a target that is cut off is none.
[[nodiscard]] Status compress_memory(int source, int target);

class CompressedMemory;
// The reverse: `target`, an empty file, becomes a sparse memory file. Not checked against digests.
[[nodiscard]] Status expand_memory(CompressedMemory& source, int target);

class CompressedMemory final : public MemorySource {
  public:
    // Refuses a file whose head is not as compress_memory() writes it or whose size is not what the
    // head says.
    static Result<std::unique_ptr<CompressedMemory>> open(OwnFd file);
    ~CompressedMemory() override;

    [[nodiscard]] uint64_t memory_bytes() const override { return bytes_; }
    // Refuses a frame that does not hold exactly the chunk's bytes.
    Status read_chunk(uint64_t index, std::span<std::byte> chunk) override;
    // True where the file says that a chunk is zeros.
    [[nodiscard]] bool is_zero_chunk(uint64_t index) const {
        return frame_offsets_[index] == frame_offsets_[index + 1];
    }

  private:
    struct Decompressor;
    CompressedMemory(OwnFd file, uint64_t bytes, std::vector<uint64_t> frame_offsets);

    OwnFd file_;
    uint64_t bytes_;
    std::vector<uint64_t> frame_offsets_;  // in the file; one more than there are chunks
    std::vector<std::byte> frame_;
    std::unique_ptr<Decompressor> decompressor_;
};

}  // namespace anchorhold::pager
