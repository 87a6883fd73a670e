// Memory for secrets: never swapped, never in a core image, empty in a forked child, between two
// pages that fault, zeroed when it is given back.
#pragma once

#include <cstddef>
#include <span>

#include "base/mapping.h"
#include "base/result.h"

namespace anchorhold::proxy {

// Move-only; wiped and unmapped in its destructor.
class LockedMemory {
  public:
    LockedMemory() = default;
    LockedMemory(LockedMemory&&) noexcept = default;
    LockedMemory& operator=(LockedMemory&& other) noexcept;
    LockedMemory(const LockedMemory&) = delete;
    LockedMemory& operator=(const LockedMemory&) = delete;
    ~LockedMemory() { reset(); }

    // At least `size` bytes, rounded up to whole pages, all zero. An error names the limit
    // (RLIMIT_MEMLOCK) that was met.
    static Result<LockedMemory> allocate(size_t size);

    [[nodiscard]] std::span<char> bytes() const;
    void reset();

  private:
    OwnMapping mapping_;  // with the two guard pages
};

}  // namespace anchorhold::proxy
