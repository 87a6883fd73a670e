// Frames that carry stdio bytes, encoded without copying the bytes through a message object first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/exec.pb.h"

namespace anchorhold::exec {

// Everything of the frame but `size` bytes of data, which follow it directly: an ExecServerFrame
// with Output.
[[nodiscard]] std::string output_frame_header(proto::OutputStream stream, size_t size);

// The same for an ExecClientFrame with stdin_data.
[[nodiscard]] std::string stdin_frame_header(size_t size);

}  // namespace anchorhold::exec
