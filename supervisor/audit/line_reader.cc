// pread into a buffer that keeps the open line.
#include "supervisor/audit/line_reader.h"

#include <unistd.h>

#include <cerrno>

namespace anchorhold::supervisor {
namespace {

constexpr size_t kChunk = 256 * 1024;

}  // namespace

Result<std::optional<LineReader::Line>> LineReader::next() {
    size_t searched = used_;
    for (;;) {
        const size_t end = buffer_.find('\n', searched);
        const size_t size = (end == std::string::npos ? buffer_.size() : end) - used_;
        if (end != std::string::npos || size >= kMaxLine) {
            const std::string_view text = std::string_view(buffer_).substr(used_, size);
            used_ += size + (end == std::string::npos ? 0 : 1);
            return std::optional(Line{text, true, offset_ - (buffer_.size() - used_)});
        }
        buffer_.erase(0, used_);
        used_ = 0;
        searched = buffer_.size();
        const size_t before = buffer_.size();
        buffer_.resize(before + kChunk);
        ssize_t got = 0;
        do {
            got = ::pread(fd_, buffer_.data() + before, kChunk, static_cast<off_t>(offset_));
        } while (got < 0 && errno == EINTR);
        buffer_.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
        if (got < 0) {
            return fail_errno("read", "audit log");
        }
        offset_ += static_cast<uint64_t>(got);
        if (got == 0) {
            return buffer_.empty() ? std::optional<Line>()
                                   : std::optional(Line{buffer_, false, offset_});
        }
    }
}

}  // namespace anchorhold::supervisor
