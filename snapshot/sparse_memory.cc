// Runs of pages with something in them, in large writes.
#include "snapshot/sparse_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "snapshot/file_io.h"

namespace anchorhold::snapshot {
namespace {

// One write: large enough to cost nothing, small enough to be interrupted.
constexpr size_t kMaxWrite = size_t{4} << 20;

// `memory` starts at a page; returns the bytes written.
Result<uint64_t> write_filled_pages(int target, uint64_t offset,
                                    std::span<const std::byte> memory) {
    const auto page_at = [&](size_t at) {
        return memory.subspan(at, std::min<size_t>(kPageBytes, memory.size() - at));
    };
    uint64_t written = 0;
    size_t at = 0;
    while (at < memory.size()) {
        if (is_zero(page_at(at))) {
            at += kPageBytes;
            continue;
        }
        size_t end = at;
        do {
            end += page_at(end).size();
        } while (end < memory.size() && end - at < kMaxWrite && !is_zero(page_at(end)));
        ANCHORHOLD_TRY(write_at(target, memory.subspan(at, end - at), offset + at, "memory file"));
        written += end - at;
        at = end;
    }
    return written;
}

}  // namespace

bool is_zero(std::span<const std::byte> bytes) {
    // Most pages that are not zero show it here.
    constexpr size_t kFirst = 64;
    const size_t first = std::min(kFirst, bytes.size());
    size_t at = 0;
    uint64_t any = 0;
    for (; at + sizeof any <= first; at += sizeof any) {
        uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        any |= word;
    }
    for (; at < first; ++at) {
        any |= std::to_integer<uint64_t>(bytes[at]);
    }
    // The rest is zero where each byte is the one 64 before: libc's fastest loop, over one page.
    return any == 0 && std::memcmp(bytes.data(), bytes.data() + first, bytes.size() - first) == 0;
}

Result<uint64_t> write_sparse(int target, uint64_t offset, std::span<const std::byte> memory,
                              std::optional<Source> source) {
    if (!source) {
        return write_filled_pages(target, offset, memory);
    }
    uint64_t written = 0;
    uint64_t at = 0;
    while (at < memory.size()) {
        const auto data = ANCHORHOLD_TRY(
            next_data(source->fd, source->offset + at, source->offset + memory.size(), "memory"));
        if (!data) {
            break;
        }
        // A file system may place the edges of its extents inside pages.
        const uint64_t begin = (data->begin - source->offset) / kPageBytes * kPageBytes;
        const uint64_t end = std::min<uint64_t>(
            (data->end - source->offset + kPageBytes - 1) / kPageBytes * kPageBytes, memory.size());
        written += ANCHORHOLD_TRY(
            write_filled_pages(target, offset + begin, memory.subspan(begin, end - begin)));
        at = end;
    }
    return written;
}

Result<uint64_t> write_ranges(int target, uint64_t offset, std::span<const std::byte> memory,
                              std::span<const PageRange> ranges) {
    const uint64_t pages = memory.size() / kPageBytes;
    uint64_t written = 0;
    for (const PageRange& range : ranges) {
        ANCHORHOLD_CHECK(range.first <= pages && range.count <= pages - range.first);
        written += ANCHORHOLD_TRY(
            write_filled_pages(target, offset + range.first * kPageBytes,
                               memory.subspan(range.first * kPageBytes, range.count * kPageBytes)));
    }
    return written;
}

}  // namespace anchorhold::snapshot
