// Ranges as differences, in LEB128.
#include "snapshot/working_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/checked_math.h"
#include "snapshot/sealed.h"

namespace anchorhold::snapshot {
namespace {

constexpr uint32_t kVersion = 1;
// Two numbers of up to 10 bytes for each range, and the counts.
constexpr Format kFormat{
    .kind = Kind::kWorkingSet, .version = kVersion, .max_payload = 2 * kMaxRanges * 20 + 30};

void append_number(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        out += static_cast<char>(value | 0x80);
    }
    out += static_cast<char>(value);
}

// Takes numbers off a payload; the first one that is malformed makes all that follow fail.
class Numbers {
  public:
    explicit Numbers(std::string_view rest) : rest_(rest) {}

    [[nodiscard]] bool at_end() const { return rest_.empty(); }

    Result<uint64_t> take() {
        uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<uint8_t>(rest_.front());
            rest_.remove_prefix(1);
            const uint64_t part = byte & 0x7f;
            const bool overlong = byte == 0 && shift > 0;
            if (overlong || (part << shift) >> shift != part) {
                break;
            }
            value |= part << shift;
            if (byte < 0x80) {
                return value;
            }
        }
        return fail("working set: malformed number");
    }

  private:
    std::string_view rest_;
};

void append_ranges(std::string& out, std::span<const PageRange> ranges, uint64_t memory_pages) {
    ANCHORHOLD_CHECK(ranges.size() <= kMaxRanges);
    append_number(out, ranges.size());
    uint64_t begin = 0;  // the first page that the next range may start at
    for (const PageRange& range : ranges) {
        ANCHORHOLD_CHECK(range.count > 0 && range.first >= begin && range.first < memory_pages &&
                         range.count <= memory_pages - range.first);
        append_number(out, range.first - begin);
        append_number(out, range.count - 1);
        begin = range.first + range.count + 1;
    }
}

Result<std::vector<PageRange>> take_ranges(Numbers& numbers, uint64_t memory_pages) {
    const uint64_t count = ANCHORHOLD_TRY(numbers.take());
    if (count > kMaxRanges) {
        return fail(fmt::format("working set: {} ranges, the most is {}", count, kMaxRanges));
    }
    std::vector<PageRange> ranges;
    Checked<uint64_t> begin(0);
    for (uint64_t i = 0; i < count; ++i) {
        const auto first = begin + ANCHORHOLD_TRY(numbers.take());
        const auto pages = Checked<uint64_t>(ANCHORHOLD_TRY(numbers.take())) + 1;
        const auto end = (first + pages).value();
        if (!end || *end > memory_pages) {
            return fail(fmt::format("working set: a range ends outside the memory's {} pages",
                                    memory_pages));
        }
        ranges.push_back({*first.value(), *pages.value()});
        begin = Checked(*end) + 1;
    }
    return ranges;
}

Result<WorkingSet> parse(std::string_view payload, uint64_t memory_pages) {
    Numbers numbers(payload);
    const uint64_t pages = ANCHORHOLD_TRY(numbers.take());
    if (pages != memory_pages) {
        return fail(fmt::format("working set: of a memory of {} pages, this one has {}", pages,
                                memory_pages));
    }
    WorkingSet set;
    set.read = ANCHORHOLD_TRY(take_ranges(numbers, memory_pages));
    set.written = ANCHORHOLD_TRY(take_ranges(numbers, memory_pages));
    if (!numbers.at_end()) {
        return fail("working set: bytes behind its last range");
    }
    return set;
}

// Closes every gap of at most `gap` pages.
void close_gaps(std::vector<PageRange>& ranges, uint64_t gap) {
    size_t kept = 0;
    for (size_t i = 1; i < ranges.size(); ++i) {
        PageRange& last = ranges[kept];
        if (ranges[i].first - (last.first + last.count) <= gap) {
            last.count = ranges[i].first + ranges[i].count - last.first;
        } else {
            ranges[++kept] = ranges[i];
        }
    }
    ranges.resize(kept + 1);
}

}  // namespace

void add_range(std::vector<PageRange>& ranges, PageRange range) {
    ANCHORHOLD_CHECK(range.count > 0);
    if (!ranges.empty()) {
        PageRange& last = ranges.back();
        ANCHORHOLD_CHECK(range.first >= last.first + last.count);
        if (range.first == last.first + last.count) {
            last.count += range.count;
            return;
        }
    }
    ranges.push_back(range);
    if (ranges.size() > kMaxRanges) {
        // To half at least, so that the next time is far away.
        for (uint64_t gap = 1; ranges.size() > kMaxRanges / 2; gap *= 2) {
            close_gaps(ranges, gap);
        }
    }
}

std::vector<PageRange> common_pages(std::span<const PageRange> a, std::span<const PageRange> b) {
    std::vector<PageRange> common;
    while (!a.empty() && !b.empty()) {
        const uint64_t a_end = a.front().first + a.front().count;
        const uint64_t b_end = b.front().first + b.front().count;
        const uint64_t first = std::max(a.front().first, b.front().first);
        const uint64_t end = std::min(a_end, b_end);
        if (first < end) {
            add_range(common, {first, end - first});
        }
        (a_end < b_end ? a : b) = (a_end < b_end ? a : b).subspan(1);
    }
    return common;
}

uint64_t count_pages(std::span<const PageRange> ranges) {
    uint64_t pages = 0;
    for (const PageRange& range : ranges) {
        pages += range.count;
    }
    return pages;
}

std::string seal(const WorkingSet& set, uint64_t memory_pages) {
    std::string payload;
    append_number(payload, memory_pages);
    append_ranges(payload, set.read, memory_pages);
    append_ranges(payload, set.written, memory_pages);
    return seal_payload(kFormat, payload);
}

Result<WorkingSet> open_working_set(std::string_view file, uint64_t memory_pages) {
    return parse(ANCHORHOLD_TRY(open_sealed(kFormat, file)), memory_pages);
}

Result<WorkingSet> read_working_set(int fd, uint64_t memory_pages) {
    const std::string payload = ANCHORHOLD_TRY(read_sealed(kFormat, fd));
    return parse(payload, memory_pages);
}

}  // namespace anchorhold::snapshot
