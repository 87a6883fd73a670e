// One direction of a WebSocket connection: bytes in, checked and filtered frames out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/exchange.h"
#include "proxy/websocket/frame.h"
#include "proxy/websocket/message_filter.h"
#include "proxy/websocket/utf8.h"

namespace anchorhold::proxy::websocket {

// Frames up to this size keep their shape; longer ones go on in fragments of it (RFC 6455 §5.4
// lets an intermediary do so where no extension is in use).
constexpr size_t kFragment = size_t{64} << 10;

// Why a direction ended before its close frame.
struct Failure {
    CloseCode code = CloseCode::protocol_error;
    std::string why;
    std::optional<Denial> denied;
};

// Holds at most one fragment, and nothing between frames.
class FramePipe {
  public:
    // `sender` sends what comes in; the same role is written on what goes out, with fresh masks.
    FramePipe(Sender sender, MessageFilter& filter, uint64_t max_message)
        : sender_(sender), filter_(filter), max_message_(max_message) {}

    // Takes bytes, cut anywhere, and appends what goes on to `out`. After a failure or a close
    // frame nothing more is taken: bytes are dropped.
    std::optional<Failure> take(std::string_view bytes, std::string& out);

    // A close frame went through.
    [[nodiscard]] bool closed() const { return closed_; }
    // In the middle of a frame or message.
    [[nodiscard]] bool unfinished() const {
        return head_bytes_.size() != 0 || in_payload_ || in_message_;
    }

  private:
    std::optional<Failure> begin_frame();
    std::optional<Failure> take_payload(std::string_view& bytes, std::string& out);
    std::optional<Failure> send_data(std::string& out);
    std::optional<Failure> send_control(std::string& out);
    std::optional<Failure> check_close() const;
    void append_frame(Opcode opcode, bool final, std::string& payload, std::string& out);
    Failure broken(CloseCode code, const char* why);

    Sender sender_;
    MessageFilter& filter_;
    uint64_t max_message_;

    std::string head_bytes_;  // of a frame head that is not all there
    FrameHead head_;
    bool in_payload_ = false;
    uint64_t taken_ = 0;  // of the frame's payload
    std::string piece_;   // unmasked and not yet passed on

    bool in_message_ = false;
    bool opening_sent_ = false;  // the message's first frame went out
    Opcode message_ = Opcode::binary;
    uint64_t message_length_ = 0;
    Utf8Checker text_;

    bool closed_ = false;
    bool failed_ = false;
};

// A close frame of the window's own, as `sender` would send it.
void append_close(std::string& out, Sender sender, CloseCode code, std::string_view reason);

}  // namespace anchorhold::proxy::websocket
