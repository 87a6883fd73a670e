// A byte stream in pieces of any size: the same frames must come out however it is cut, and none
// beyond the bound.
#include <string>
#include <vector>

#include "base/check.h"
#include "fuzz_input.h"
#include "proto/exec.pb.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"

namespace anchorhold {
namespace {

constexpr size_t kBound = 64;  // small, so that a short input reaches it

// Takes what the reader has; false once the stream is refused.
bool take_frames(proto::FrameReader& reader, std::vector<std::string>& frames) {
    for (;;) {
        const auto frame = reader.next();
        if (!frame) {
            return false;
        }
        if (!frame->has_value()) {
            return true;
        }
        ANCHORHOLD_CHECK((*frame)->size() <= kBound);
        frames.emplace_back(**frame);
    }
}

void compare(fuzz::FuzzInput input) {
    const size_t step = 1 + input.take<uint8_t>() % 32;
    proto::FrameReader whole(kBound);
    proto::FrameReader pieces(kBound);
    std::vector<std::string> from_whole;
    std::vector<std::string> from_pieces;
    bool going_on = true;
    std::string all;
    while (!input.empty()) {
        const auto piece = input.take_bytes(step);
        all.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        if (going_on) {
            pieces.feed(piece);
            going_on = take_frames(pieces, from_pieces);
        }
    }
    whole.feed(std::as_bytes(std::span(all)));
    ANCHORHOLD_CHECK(take_frames(whole, from_whole) == going_on);
    ANCHORHOLD_CHECK(from_whole == from_pieces);
    for (const std::string& frame : from_whole) {
        [[maybe_unused]] const auto ready = proto::parse<proto::Ready>(frame, "ready");
        [[maybe_unused]] const auto client = proto::parse<proto::ExecClientFrame>(frame, "client");
        [[maybe_unused]] const auto server = proto::parse<proto::ExecServerFrame>(frame, "server");
    }
}

}  // namespace
}  // namespace anchorhold

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    anchorhold::compare(anchorhold::fuzz::FuzzInput(data, size));
    return 0;
}
