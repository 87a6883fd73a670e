// Framing of protobuf messages on a byte stream: a 32-bit little-endian length, then that many
// bytes.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::proto {

constexpr size_t kFrameHeaderSize = 4;

// Bounds, in bytes of the message. A longer length prefix ends the stream before anything is
// allocated for it.
constexpr size_t kMaxControlFrame = 4096;
constexpr size_t kMaxControlRequest = 256 * 1024;  // to init: SetUp carries certificates
constexpr size_t kMaxStdioChunk = 64 * 1024;
constexpr size_t kMaxExecServerFrame = kMaxStdioChunk + 1024;
constexpr size_t kMaxExecClientFrame =
    4 * 1024 * 1024;  // ExecStart carries argv and the environment

// See exec.proto: how much stdin may be on the way.
constexpr size_t kStdinWindow = 256 * 1024;

// Appends one frame to `out`.
void append_frame(std::string& out, const google::protobuf::MessageLite& message);

// Cuts a byte stream into frames. Feed it what arrived, then take frames until there is none.
class FrameReader {
  public:
    explicit FrameReader(size_t max_message) : max_message_(max_message) {}

    void feed(std::span<const std::byte> bytes);

    // The next whole message's bytes, valid until the next call of any member; nullopt when more
    // must arrive first. An error when the other side announced more than the bound: the stream
    // cannot be used any further.
    Result<std::optional<std::string_view>> next();

    // Overwrites the frames that next() has given out. A view of them shows zeros.
    void wipe();

    // Bytes held that are not a whole frame yet; non-zero at end of file means that a frame was
    // cut.
    [[nodiscard]] size_t buffered() const { return buffer_.size() - consumed_; }

  private:
    size_t max_message_;
    std::string buffer_;
    size_t consumed_ = 0;
};

// Parses a message strictly: malformed bytes are an error naming `what`.
template <typename Message>
Result<Message> parse(std::string_view bytes, std::string_view what) {
    Message message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return fail(std::string(what) + " is not a valid message");
    }
    return message;
}

}  // namespace anchorhold::proto
