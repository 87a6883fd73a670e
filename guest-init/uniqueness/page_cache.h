// Memory that a template need not hold: what can be read from a disk again.
#pragma once

#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

class PageCache {
  public:
    // Opens the kernel's knobs below `proc`, a proc mount whose sys/ is still writable. A kernel
    // may lack either; it then keeps what the knob would have dropped.
    static PageCache open(const std::string& proc);

    // Writes back the file system that `disk` is on, drops page cache, dentries and inodes, and
    // moves what remains together, so that free memory comes in whole blocks. Takes as long as the
    // disk does.
    [[nodiscard]] Status drop(int disk) const;

  private:
    PageCache(OwnFd drop_caches, OwnFd compact_memory)
        : drop_caches_(std::move(drop_caches)), compact_memory_(std::move(compact_memory)) {}

    OwnFd drop_caches_;
    OwnFd compact_memory_;
};

}  // namespace anchorhold::guest_init
