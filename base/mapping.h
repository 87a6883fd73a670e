// One owner per memory mapping.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/result.h"

namespace anchorhold {

// Owns an mmap()ed range and unmaps it in its destructor. Move-only.
class OwnMapping {
  public:
    OwnMapping() = default;
    OwnMapping(OwnMapping&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    OwnMapping& operator=(OwnMapping&& other) noexcept {
        if (this != &other) {
            reset();
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }
    OwnMapping(const OwnMapping&) = delete;
    OwnMapping& operator=(const OwnMapping&) = delete;
    ~OwnMapping() { reset(); }

    // mmap(2) with the arguments of the system call; size in bytes.
    static Result<OwnMapping> map(size_t size, int protection, int flags, int fd = -1,
                                  uint64_t offset = 0);

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] size_t size() const { return size_; }
    [[nodiscard]] std::span<std::byte> bytes() const { return {data_, size_}; }
    void reset();

  private:
    std::byte* data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace anchorhold
