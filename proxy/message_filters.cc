// Pieces of one message follow one another; control payloads stand alone.
#include "proxy/message_filters.h"

namespace anchorhold::proxy {

std::optional<Denial> ScanningFilter::check(std::string_view bytes) {
    count_(bytes.size());
    if (scan_.piece(bytes)) {
        return deny_(policy::Reason::stray_placeholder, "a placeholder stands in a message");
    }
    return std::nullopt;
}

std::optional<Denial> ScanningFilter::payload(std::string& piece, websocket::Piece) {
    return check(piece);
}

std::optional<Denial> ScanningFilter::control(std::string& payload) {
    return check(payload);
}

std::optional<Denial> ScrubbingFilter::payload(std::string& piece, websocket::Piece which) {
    count_(piece.size());
    if (scrubber_) {
        scrubber_->piece(piece);
        if (which == websocket::Piece::last) {
            piece += scrubber_->finish();
        }
    }
    return std::nullopt;
}

std::optional<Denial> ScrubbingFilter::control(std::string& payload) {
    count_(payload.size());
    if (scrubber_) {
        scrubber_->whole(payload);
    }
    return std::nullopt;
}

}  // namespace anchorhold::proxy
