// A stream of bytes as sealed chunks in a file, behind its header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "vault/file_cipher.h"

namespace anchorhold::vault {

// Writes the header at once and each chunk when it is full.
class ChunkWriter {
  public:
    // Both outlive this; `target` is an empty file.
    ChunkWriter(int target, FileCipher& cipher);
    ~ChunkWriter();
    ChunkWriter(const ChunkWriter&) = delete;
    ChunkWriter& operator=(const ChunkWriter&) = delete;

    Status write(std::span<const std::byte> bytes);
    // Once, at the end: the file is whole only after it.
    Status finish();

  private:
    Status put(std::span<const std::byte> bytes);
    Status flush(Last last);

    int target_;
    FileCipher& cipher_;
    uint64_t offset_ = 0;
    uint64_t number_ = 0;
    std::vector<std::byte> plain_;
    size_t used_ = 0;
    std::vector<std::byte> sealed_;
};

// Gives out bytes only of chunks that were authenticated whole.
class ChunkReader {
  public:
    // `source` has `file_bytes` bytes, header included; both outlive this.
    ChunkReader(int source, uint64_t file_bytes, FileCipher& cipher);
    ~ChunkReader();
    ChunkReader(const ChunkReader&) = delete;
    ChunkReader& operator=(const ChunkReader&) = delete;

    // The next bytes, one at least and at most `most`, valid until the next call. An error where
    // the stream is damaged, cut off or at its end.
    Result<std::span<const std::byte>> next(uint64_t most);
    // Exactly `out.size()` bytes.
    Status read(std::span<std::byte> out);
    // The last chunk was read and given out to its last byte.
    [[nodiscard]] bool at_end() const { return offset_ == end_ && left_.empty(); }

  private:
    Status fill();

    int source_;
    FileCipher& cipher_;
    uint64_t offset_ = kHeaderBytes;
    uint64_t end_;
    uint64_t number_ = 0;
    std::vector<std::byte> sealed_;
    std::vector<std::byte> plain_;
    std::span<const std::byte> left_;  // of plain_
};

}  // namespace anchorhold::vault
