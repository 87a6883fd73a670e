// Which pages of a private file mapping this process has copied and which it only sees, from
// /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst). Nothing that writes to the
// mapping, guest or VMM, escapes it, as it would escape KVM's dirty log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "snapshot/working_set.h"

namespace anchorhold::snapshot {

// Entries of pagemap, one a page, added to `set` as pages from `first_page` on.
// Written: private pages, present (bit 63) or swapped out (62), and neither a file's nor shared (61
// clear). Read: present pages of the file.
void add_pagemap_entries(WorkingSet& set, std::span<const uint64_t> entries, uint64_t first_page);

// The pages of [start, start + bytes), numbered from `start`. `pagemap` is an open descriptor of
// /proc/self/pagemap; start and bytes are multiples of the page size. Pages whose contents were
// given back (MADV_DONTNEED, or anonymous memory mapped over them and not touched since) are in
// neither set, though they no longer read as the file does: who discards must remember where.
[[nodiscard]] Result<WorkingSet> observed_pages(int pagemap, const std::byte* start,
                                                uint64_t bytes);

}  // namespace anchorhold::snapshot
