// Any bytes as a working set: refused, or sorted ranges within the memory that have this one form.
#include "base/check.h"
#include "fuzz_input.h"
#include "sealed_input.h"
#include "snapshot/working_set.h"

namespace {

constexpr uint64_t kPages = 131072;

void check_ranges(std::span<const anchorhold::snapshot::PageRange> ranges) {
    uint64_t begin = 0;
    for (const auto& range : ranges) {
        ANCHORHOLD_CHECK(range.count > 0 && range.first >= begin && range.first < kPages &&
                         range.count <= kPages - range.first);
        begin = range.first + range.count + 1;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    const std::string file = fuzz::sealed_input(
        data, size,
        {.kind = snapshot::Kind::kWorkingSet, .version = 1, .max_payload = uint64_t{1} << 20});
    const auto opened = snapshot::open_working_set(file, kPages);
    fuzz::expect_one_line(opened);
    if (opened) {
        check_ranges(opened->read);
        check_ranges(opened->written);
        ANCHORHOLD_CHECK(snapshot::seal(*opened, kPages) == file);
    }
    return 0;
}
