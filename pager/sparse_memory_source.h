// A memory file as it is mapped elsewhere: byte n of the file is byte n of the memory.
#pragma once

#include <memory>

#include "base/fd.h"
#include "pager/memory_source.h"

namespace anchorhold::pager {

class SparseMemorySource final : public MemorySource {
  public:
    static Result<std::unique_ptr<SparseMemorySource>> open(OwnFd file);

    [[nodiscard]] uint64_t memory_bytes() const override { return bytes_; }
    Status read_chunk(uint64_t index, std::span<std::byte> chunk) override;

  private:
    SparseMemorySource(OwnFd file, uint64_t bytes) : file_(std::move(file)), bytes_(bytes) {}

    OwnFd file_;
    uint64_t bytes_;
};

}  // namespace anchorhold::pager
