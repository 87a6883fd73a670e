// A sorted list is enough: no machine has more than some twenty ranges.
#include "vmm/devices/bus.h"

#include <algorithm>

#include "base/check.h"

namespace anchorhold::vmm {

void Bus::add(uint64_t start, uint64_t size, BusDevice& device) {
    ANCHORHOLD_CHECK(size > 0 && start + (size - 1) >= start);
    const auto place = std::upper_bound(
        ranges_.begin(), ranges_.end(), start,
        [](uint64_t address, const Range& range) { return address < range.start; });
    ANCHORHOLD_CHECK(place == ranges_.begin() ||
                     start - std::prev(place)->start >= std::prev(place)->size);
    ANCHORHOLD_CHECK(place == ranges_.end() || place->start - start >= size);
    ranges_.insert(place, Range{start, size, &device});
}

const Bus::Range* Bus::find(uint64_t address) const {
    const auto after =
        std::upper_bound(ranges_.begin(), ranges_.end(), address,
                         [](uint64_t wanted, const Range& range) { return wanted < range.start; });
    if (after == ranges_.begin()) {
        return nullptr;
    }
    const Range& range = *std::prev(after);
    return address - range.start < range.size ? &range : nullptr;
}

void Bus::read(uint64_t address, std::span<std::byte> data) {
    if (const Range* range = find(address)) {
        range->device->read(address - range->start, data);
        return;
    }
    ++unknown_accesses_;
    std::fill(data.begin(), data.end(), std::byte{0xff});
}

void Bus::write(uint64_t address, std::span<const std::byte> data) {
    if (const Range* range = find(address)) {
        range->device->write(address - range->start, data);
        return;
    }
    ++unknown_accesses_;
}

}  // namespace anchorhold::vmm
