// Length-prefixed frames.
#include "proto/frame.h"

#include <google/protobuf/stubs/logging.h>
#include <strings.h>

#include <cstring>

#include "base/check.h"
#include "base/endian.h"

namespace anchorhold::proto {
namespace {

// The library would write to our stderr what a guest made it complain about; parse() tells its
// caller.
[[maybe_unused]] auto* const former_log_handler = google::protobuf::SetLogHandler(nullptr);

}  // namespace

void append_frame(std::string& out, const google::protobuf::MessageLite& message) {
    const size_t size = message.ByteSizeLong();
    const Le32 length(static_cast<uint32_t>(size));
    const size_t start = out.size();
    out.resize(start + kFrameHeaderSize + size);
    std::memcpy(out.data() + start, &length, kFrameHeaderSize);
    ANCHORHOLD_CHECK(
        message.SerializeToArray(out.data() + start + kFrameHeaderSize, static_cast<int>(size)));
}

void FrameReader::feed(std::span<const std::byte> bytes) {
    if (consumed_ > 0) {
        buffer_.erase(0, consumed_);
        consumed_ = 0;
    }
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<std::optional<std::string_view>> FrameReader::next() {
    const std::string_view rest = std::string_view(buffer_).substr(consumed_);
    if (rest.size() < kFrameHeaderSize) {
        return std::optional<std::string_view>();
    }
    Le32 length;
    std::memcpy(&length, rest.data(), kFrameHeaderSize);
    const size_t size = length;
    if (size > max_message_) {
        return fail("frame of " + std::to_string(size) + " bytes, the bound is " +
                    std::to_string(max_message_));
    }
    if (rest.size() - kFrameHeaderSize < size) {
        return std::optional<std::string_view>();
    }
    consumed_ += kFrameHeaderSize + size;
    return std::optional<std::string_view>(rest.substr(kFrameHeaderSize, size));
}

void FrameReader::wipe() {
    ::explicit_bzero(buffer_.data(), consumed_);
}

}  // namespace anchorhold::proto
