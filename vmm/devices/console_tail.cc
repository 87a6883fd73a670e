// The ring and the search for a panic in it.
#include "vmm/devices/console_tail.h"

#include <algorithm>

namespace anchorhold::vmm {

void ConsoleTail::append(char byte) {
    if (!ring_) {
        ring_ = std::make_unique<std::array<char, kConsoleTailSize>>();
    }
    (*ring_)[written_++ % kConsoleTailSize] = byte;
    if (!sink_) {
        return;
    }
    line_.push_back(byte);
    if (byte == '\n' || line_.size() >= kMaxLine) {
        sink_(line_);
        line_.clear();
    }
}

std::string ConsoleTail::text() const {
    if (!ring_) {
        return {};
    }
    const size_t kept = std::min(written_, kConsoleTailSize);
    std::string out;
    out.reserve(kept);
    for (size_t i = written_ - kept; i < written_; ++i) {
        out.push_back((*ring_)[i % kConsoleTailSize]);
    }
    return out;
}

std::string_view panic_line(std::string_view console) {
    const size_t start = console.find("Kernel panic");
    if (start == std::string_view::npos) {
        return {};
    }
    const std::string_view rest = console.substr(start);
    return rest.substr(0, rest.find_first_of("\r\n"));
}

}  // namespace anchorhold::vmm
