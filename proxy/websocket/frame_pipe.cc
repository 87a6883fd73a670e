// The rules of RFC 6455 §5.4 to §5.6 and §8.1 over the frames of one direction.
#include "proxy/websocket/frame_pipe.h"

#include <algorithm>
#include <utility>

namespace anchorhold::proxy::websocket {
namespace {

uint16_t code_of(std::string_view payload) {
    return static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 |
                                 static_cast<uint8_t>(payload[1]));
}

// At most `limit` bytes, and no character cut in two.
void cut_text(std::string& text, size_t limit) {
    if (text.size() <= limit) {
        return;
    }
    size_t end = limit;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) {
        --end;
    }
    text.resize(end);
}

}  // namespace

Failure FramePipe::broken(CloseCode code, const char* why) {
    failed_ = true;
    std::string().swap(piece_);
    return {code, why, std::nullopt};
}

std::optional<Failure> FramePipe::take(std::string_view bytes, std::string& out) {
    while (!bytes.empty() && !closed_ && !failed_) {
        if (in_payload_) {
            if (auto failure = take_payload(bytes, out)) {
                failed_ = true;
                return failure;
            }
            continue;
        }
        const size_t had = head_bytes_.size();
        head_bytes_.append(bytes.substr(0, kMaxFrameHead - had));
        const HeadResult result = read_head(head_bytes_, sender_);
        if (result.kind == HeadResult::Kind::breach) {
            return broken(CloseCode::protocol_error, result.why);
        }
        if (result.kind == HeadResult::Kind::more) {
            return std::nullopt;  // fewer than kMaxFrameHead: all of `bytes` is in head_bytes_
        }
        bytes.remove_prefix(result.head.size - had);
        head_ = result.head;
        head_bytes_.clear();
        if (auto failure = begin_frame()) {
            return failure;
        }
        // A frame without payload ends here and now.
        std::string_view none;
        if (head_.length == 0) {
            if (auto failure = take_payload(none, out)) {
                failed_ = true;
                return failure;
            }
        }
    }
    return std::nullopt;
}

std::optional<Failure> FramePipe::begin_frame() {
    taken_ = 0;
    in_payload_ = true;
    if (head_.control()) {
        return std::nullopt;
    }
    if ((head_.opcode == Opcode::continuation) != in_message_) {
        return broken(CloseCode::protocol_error, in_message_ ? "a message begun inside another"
                                                             : "a continuation of no message");
    }
    if (!in_message_) {
        in_message_ = true;
        opening_sent_ = false;
        message_ = head_.opcode;
        message_length_ = 0;
        text_.restart();
    }
    if (head_.length > max_message_ - message_length_) {
        return broken(CloseCode::too_big, "a message that is longer than the limit");
    }
    message_length_ += head_.length;
    return std::nullopt;
}

std::optional<Failure> FramePipe::take_payload(std::string_view& bytes, std::string& out) {
    const uint64_t room = std::min<uint64_t>(head_.length - taken_, kFragment - piece_.size());
    const auto count = static_cast<size_t>(std::min<uint64_t>(room, bytes.size()));
    const size_t from = piece_.size();
    piece_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    if (sender_ == Sender::client) {
        apply_mask(piece_, from, head_.mask, taken_);
    }
    taken_ += count;
    if (taken_ < head_.length && piece_.size() < kFragment) {
        return std::nullopt;
    }
    in_payload_ = taken_ < head_.length;
    return head_.control() ? send_control(out) : send_data(out);
}

std::optional<Failure> FramePipe::send_data(std::string& out) {
    const bool last = head_.final && !in_payload_;
    if (message_ == Opcode::text && !(text_.feed(piece_) && (!last || text_.complete()))) {
        return broken(CloseCode::not_utf8, "a text message that is not UTF-8");
    }
    std::string piece = std::exchange(piece_, {});
    if (auto denied = filter_.payload(piece, last ? Piece::last : Piece::more)) {
        return Failure{CloseCode::policy, "a message was denied", std::move(denied)};
    }
    if (!piece.empty() || last) {
        append_frame(std::exchange(opening_sent_, true) ? Opcode::continuation : message_, last,
                     piece, out);
    }
    if (last) {
        in_message_ = false;
    }
    return std::nullopt;
}

std::optional<Failure> FramePipe::check_close() const {
    if (piece_.empty()) {
        return std::nullopt;
    }
    if (piece_.size() == 1 || !sendable_close_code(code_of(piece_))) {
        return Failure{CloseCode::protocol_error, "a close with a code that must not be sent", {}};
    }
    Utf8Checker reason;
    if (!reason.feed(std::string_view(piece_).substr(2)) || !reason.complete()) {
        return Failure{CloseCode::not_utf8, "a close whose reason is not UTF-8", {}};
    }
    return std::nullopt;
}

std::optional<Failure> FramePipe::send_control(std::string& out) {
    std::string code;
    if (head_.opcode == Opcode::close) {
        if (auto failure = check_close()) {
            return failure;
        }
        code = piece_.substr(0, 2);
        piece_.erase(0, code.size());
    }
    std::string payload = std::exchange(piece_, {});
    if (auto denied = filter_.control(payload)) {
        return Failure{CloseCode::policy, "a control frame was denied", std::move(denied)};
    }
    cut_text(payload, kMaxControlPayload - code.size());
    payload.insert(0, code);
    append_frame(head_.opcode, true, payload, out);
    closed_ = head_.opcode == Opcode::close;
    return std::nullopt;
}

void FramePipe::append_frame(Opcode opcode, bool final, std::string& payload, std::string& out) {
    const Mask mask = sender_ == Sender::client ? fresh_mask() : Mask{};
    append_head(out, opcode, final, payload.size(), sender_, mask);
    const size_t from = out.size();
    out += payload;
    if (sender_ == Sender::client) {
        apply_mask(out, from, mask, 0);
    }
}

void append_close(std::string& out, Sender sender, CloseCode code, std::string_view reason) {
    std::string payload;
    payload.push_back(static_cast<char>(static_cast<uint16_t>(code) >> 8));
    payload.push_back(static_cast<char>(static_cast<uint16_t>(code) & 0xff));
    payload += reason;
    cut_text(payload, kMaxControlPayload);
    const Mask mask = sender == Sender::client ? fresh_mask() : Mask{};
    append_head(out, Opcode::close, true, payload.size(), sender, mask);
    const size_t from = out.size();
    out += payload;
    if (sender == Sender::client) {
        apply_mask(out, from, mask, 0);
    }
}

}  // namespace anchorhold::proxy::websocket
