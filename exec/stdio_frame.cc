// The protobuf wire format (https://protobuf.dev/programming-guides/encoding/) of two messages of
// exec.proto, by hand.
#include "exec/stdio_frame.h"

#include <cstring>

#include "base/endian.h"
#include "proto/frame.h"

namespace anchorhold::exec {
namespace {

constexpr uint32_t kVarint = 0;
constexpr uint32_t kLengthDelimited = 2;

void append_varint(std::string& out, uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<char>((value & 0x7f) | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<char>(value));
}

void append_tag(std::string& out, int field, uint32_t wire_type) {
    append_varint(out, (static_cast<uint32_t>(field) << 3) | wire_type);
}

std::string frame_header(const std::string& message_head, size_t data_size) {
    const Le32 length(static_cast<uint32_t>(message_head.size() + data_size));
    std::string header(proto::kFrameHeaderSize, '\0');
    std::memcpy(header.data(), &length, proto::kFrameHeaderSize);
    return header + message_head;
}

}  // namespace

std::string output_frame_header(proto::OutputStream stream, size_t size) {
    std::string output;
    append_tag(output, proto::Output::kStreamFieldNumber, kVarint);
    append_varint(output, static_cast<uint64_t>(stream));
    append_tag(output, proto::Output::kDataFieldNumber, kLengthDelimited);
    append_varint(output, size);
    std::string head;
    append_tag(head, proto::ExecServerFrame::kOutputFieldNumber, kLengthDelimited);
    append_varint(head, output.size() + size);
    return frame_header(head + output, size);
}

std::string stdin_frame_header(size_t size) {
    std::string head;
    append_tag(head, proto::ExecClientFrame::kStdinDataFieldNumber, kLengthDelimited);
    append_varint(head, size);
    return frame_header(head, size);
}

}  // namespace anchorhold::exec
