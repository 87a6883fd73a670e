// Entries in large batches, ranges out.
#include "snapshot/pagemap.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/check.h"
#include "base/sys.h"

namespace anchorhold::snapshot {
namespace {

constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kFileOrShared = uint64_t{1} << 61;
// Entries a read: 128 MiB of memory.
constexpr uint64_t kBatch = 32768;

enum class Use : uint8_t { kNone, kRead, kWritten };

Use use_of(uint64_t entry) {
    if ((entry & (kPresent | kSwapped)) == 0) {
        return Use::kNone;
    }
    if ((entry & kFileOrShared) == 0) {
        return Use::kWritten;
    }
    return (entry & kPresent) != 0 ? Use::kRead : Use::kNone;
}

}  // namespace

void add_pagemap_entries(WorkingSet& set, std::span<const uint64_t> entries, uint64_t first_page) {
    for (size_t at = 0; at < entries.size();) {
        const Use use = use_of(entries[at]);
        size_t end = at + 1;
        while (end < entries.size() && use_of(entries[end]) == use) {
            ++end;
        }
        if (use != Use::kNone) {
            add_range(use == Use::kRead ? set.read : set.written, {first_page + at, end - at});
        }
        at = end;
    }
}

Result<WorkingSet> observed_pages(int pagemap, const std::byte* start, uint64_t bytes) {
    const auto address = std::bit_cast<uintptr_t>(start);
    ANCHORHOLD_CHECK(address % kPageBytes == 0 && bytes % kPageBytes == 0);
    const uint64_t pages = bytes / kPageBytes;
    std::vector<uint64_t> entries(std::min(kBatch, pages));
    WorkingSet set;
    for (uint64_t page = 0; page < pages; page += entries.size()) {
        const std::span batch =
            std::span(entries).first(std::min<uint64_t>(entries.size(), pages - page));
        ANCHORHOLD_TRY(sys::read_exact_at(pagemap, std::as_writable_bytes(batch),
                                          (address / kPageBytes + page) * sizeof(uint64_t),
                                          "pagemap"));
        add_pagemap_entries(set, batch, page);
    }
    return set;
}

}  // namespace anchorhold::snapshot
