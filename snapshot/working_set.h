// Sets of pages, as ranges: which ones a machine read and which ones it wrote.
//
// File: a sealed payload (snapshot/sealed.h). Payload, numbers as minimal LEB128: pages of the
// memory, then twice (read, written): number of ranges, and for each one the pages between it and
// the one before (one less where there is one before: neighbours touch nowhere), its length less
// one. One set has exactly one form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::snapshot {

constexpr uint64_t kPageBytes = 4096;
// The most ranges a set may have. add_range() keeps it.
constexpr size_t kMaxRanges = size_t{1} << 16;

// Pages [first, first + count) of a memory; count is 1 or more.
struct PageRange {
    uint64_t first = 0;
    uint64_t count = 0;
    bool operator==(const PageRange&) const = default;
};

// Each sorted, with a gap between neighbours.
struct WorkingSet {
    std::vector<PageRange> read;
    std::vector<PageRange> written;
    bool operator==(const WorkingSet&) const = default;
};

// Adds pages behind all others of `ranges`. Beyond kMaxRanges the smallest gaps are closed: the set
// then has pages that nobody added, and never lacks one.
void add_range(std::vector<PageRange>& ranges, PageRange range);

// The pages that are in both, each as in a WorkingSet.
[[nodiscard]] std::vector<PageRange> common_pages(std::span<const PageRange> a,
                                                  std::span<const PageRange> b);

[[nodiscard]] uint64_t count_pages(std::span<const PageRange> ranges);

// The bytes of a file. Both sets are as above and within `memory_pages`.
[[nodiscard]] std::string seal(const WorkingSet& set, uint64_t memory_pages);

// Refuses whatever seal() cannot have written for a memory of this many pages.
[[nodiscard]] Result<WorkingSet> open_working_set(std::string_view file, uint64_t memory_pages);
// The file behind `fd`, read once and within bounds.
[[nodiscard]] Result<WorkingSet> read_working_set(int fd, uint64_t memory_pages);

}  // namespace anchorhold::snapshot
