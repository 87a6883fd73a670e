// Dense parts are asked for as huge pages before anything is written to them; then extents are
// copied.
#include "supervisor/templates/resident.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "base/mapping.h"
#include "base/sys.h"
#include "snapshot/file_io.h"

namespace anchorhold::supervisor {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;
// A part with less data than this stays in small pages: its gaps would cost more than its faults.
constexpr uint64_t kDense = kHugePage / 4;

Result<std::vector<snapshot::Extent>> data_of(int file, uint64_t bytes) {
    std::vector<snapshot::Extent> extents;
    uint64_t position = 0;
    while (const auto extent =
               ANCHORHOLD_TRY(snapshot::next_data(file, position, bytes, "template memory"))) {
        extents.push_back(*extent);
        position = extent->end;
    }
    return extents;
}

std::vector<uint64_t> bytes_per_part(const std::vector<snapshot::Extent>& extents, uint64_t bytes) {
    std::vector<uint64_t> parts((bytes + kHugePage - 1) / kHugePage);
    for (const snapshot::Extent& extent : extents) {
        for (uint64_t at = extent.begin; at < extent.end;) {
            const uint64_t end = std::min((at / kHugePage + 1) * kHugePage, extent.end);
            parts[at / kHugePage] += end - at;
            at = end;
        }
    }
    return parts;
}

}  // namespace

Status make_resident(OpenTemplate& opened) {
    if (opened.files.form == MemoryForm::kCompressed) {
        return {};
    }
    const uint64_t bytes = opened.manifest.shape.memory_bytes;
    const int file = opened.files.memory.get();
    const auto extents = ANCHORHOLD_TRY(data_of(file, bytes));
    OwnFd copy = ANCHORHOLD_TRY(sys::memfd("template-memory", bytes, MFD_ALLOW_SEALING));
    {
        const OwnMapping mapping =
            ANCHORHOLD_TRY(OwnMapping::map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, copy.get()));
        const std::vector<uint64_t> parts = bytes_per_part(extents, bytes);
        for (size_t part = 0; part < parts.size(); ++part) {
            if (parts[part] >= kDense && (part + 1) * kHugePage <= bytes) {
                // Advice: where it is refused small pages serve.
                std::byte* const start = mapping.data() + part * kHugePage;
                ::madvise(start, kHugePage, MADV_HUGEPAGE);
            }
        }
        for (const snapshot::Extent& extent : extents) {
            ANCHORHOLD_TRY(sys::read_exact_at(
                file, mapping.bytes().subspan(extent.begin, extent.end - extent.begin),
                extent.begin, "template memory"));
        }
    }
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (::fcntl(copy.get(), F_ADD_SEALS, kSeals) < 0) {
        return fail_errno("fcntl F_ADD_SEALS", "template memory");
    }
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    opened.files.memory = std::move(copy);
    return {};
}

}  // namespace anchorhold::supervisor
