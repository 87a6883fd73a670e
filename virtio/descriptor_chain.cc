// Cutting a chain's segments into what a device asks for.
#include "virtio/descriptor_chain.h"

namespace anchorhold::virtio {

ChainCursor::ChainCursor(std::span<const std::span<std::byte>> segments) : segments_(segments) {
    for (const auto segment : segments) {
        remaining_ += segment.size();
    }
}

std::span<std::byte> ChainCursor::current() {
    while (index_ < segments_.size() && offset_ == segments_[index_].size()) {
        ++index_;
        offset_ = 0;
    }
    if (index_ == segments_.size()) {
        return {};
    }
    const auto rest = segments_[index_].subspan(offset_);
    return rest.first(std::min<uint64_t>(rest.size(), remaining_));
}

bool ChainCursor::read(std::span<std::byte> out) {
    if (remaining() < out.size()) {
        return false;
    }
    while (!out.empty()) {
        const auto piece = current().first(std::min(current().size(), out.size()));
        std::copy(piece.begin(), piece.end(), out.begin());
        out = out.subspan(piece.size());
        advance(piece.size());
    }
    return true;
}

bool ChainCursor::write(std::span<const std::byte> bytes) {
    if (remaining() < bytes.size()) {
        return false;
    }
    while (!bytes.empty()) {
        const size_t count = std::min(current().size(), bytes.size());
        std::copy_n(bytes.begin(), count, current().begin());
        bytes = bytes.subspan(count);
        advance(count);
    }
    return true;
}

bool ChainCursor::skip(uint64_t bytes) {
    if (remaining() < bytes) {
        return false;
    }
    while (bytes > 0) {
        const uint64_t count = std::min<uint64_t>(current().size(), bytes);
        bytes -= count;
        advance(count);
    }
    return true;
}

uint64_t ChainCursor::gather(uint64_t limit, std::vector<iovec>& out) {
    uint64_t gathered = 0;
    while (gathered < limit && out.size() < kMaxChainSegments) {
        const auto segment = current();
        if (segment.empty()) {
            break;
        }
        const uint64_t count = std::min<uint64_t>(segment.size(), limit - gathered);
        out.push_back(iovec{segment.data(), count});
        gathered += count;
        advance(count);
    }
    return gathered;
}

}  // namespace anchorhold::virtio
