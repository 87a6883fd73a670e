// What a guest sends on the window's two ports, as the host's side reads it: frames within the
// bound, and StreamOpen or GuestNotice or nothing in them. The bytes behind the first frame are the
// connection's own and must come out unchanged.
#include <string>

#include "base/check.h"
#include "fuzz_input.h"
#include "proto/egress.pb.h"
#include "proto/frame.h"

namespace anchorhold {
namespace {

void read_as_stream(std::span<const std::byte> bytes) {
    proto::FrameReader reader(proto::kMaxControlFrame);
    reader.feed(bytes);
    const auto frame = reader.next();
    if (!frame || !frame->has_value()) {
        return;
    }
    ANCHORHOLD_CHECK((*frame)->size() <= proto::kMaxControlFrame);
    ANCHORHOLD_CHECK((*frame)->size() + proto::kFrameHeaderSize + reader.buffered() ==
                     bytes.size());
    const auto open = proto::parse<proto::StreamOpen>(**frame, "StreamOpen");
    if (open) {
        // What parsed means the same once it was written again.
        const auto again = proto::parse<proto::StreamOpen>(open->SerializeAsString(), "StreamOpen");
        ANCHORHOLD_CHECK(again && again->host() == open->host() &&
                         again->address() == open->address() && again->port() == open->port());
    }
}

void read_as_notices(std::span<const std::byte> bytes) {
    proto::FrameReader reader(proto::kMaxControlFrame);
    reader.feed(bytes);
    for (;;) {
        const auto frame = reader.next();
        if (!frame || !frame->has_value()) {
            return;
        }
        [[maybe_unused]] const auto notice =
            proto::parse<proto::GuestNotice>(**frame, "GuestNotice");
    }
}

}  // namespace
}  // namespace anchorhold

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
    anchorhold::read_as_stream(bytes);
    anchorhold::read_as_notices(bytes);
    return 0;
}
