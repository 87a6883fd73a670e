// What all devices share.
#include "virtio/device.h"

#include <algorithm>

namespace anchorhold::virtio {

void copy_config(std::span<const std::byte> config, uint64_t offset, std::span<std::byte> out) {
    std::fill(out.begin(), out.end(), std::byte{0});
    if (offset < config.size()) {
        const size_t count = std::min<size_t>(out.size(), config.size() - offset);
        std::copy_n(config.begin() + static_cast<ptrdiff_t>(offset), count, out.begin());
    }
}

}  // namespace anchorhold::virtio
