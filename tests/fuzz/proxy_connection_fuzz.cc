// A guest's claim as the proxy takes it: what comes out is one strict name or one address, one
// port, and texts within their bounds.
#include <algorithm>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "policy/host_name.h"
#include "proto/frame.h"
#include "proto/vmm_control.pb.h"
#include "proxy/connection.h"

namespace {

using namespace anchorhold;

void take_claim(std::span<const std::byte> bytes) {
    proto::FrameReader reader(proto::kMaxControlFrame);
    reader.feed(bytes);
    const auto frame = reader.next();
    if (!frame || !*frame) {
        return;
    }
    auto claim = proto::parse<proto::StreamOpen>(**frame, "StreamOpen");
    if (!claim) {
        return;
    }
    const auto connection = proxy::connection_of(7, std::move(*claim));
    if (!connection) {
        ANCHORHOLD_CHECK(connection.error().message.find('\n') == std::string::npos);
        return;
    }
    ANCHORHOLD_CHECK(connection->stream == 7 && connection->port != 0);
    ANCHORHOLD_CHECK(connection->host.empty() != connection->address.empty());
    if (connection->host.empty()) {
        ANCHORHOLD_CHECK(connection->address.size() == 4 || connection->address.size() == 16);
    } else {
        const auto strict = policy::strict_host_name(connection->host);
        ANCHORHOLD_CHECK(strict && *strict == connection->host);
    }
    ANCHORHOLD_CHECK(!connection->name().empty() && connection->claim.exe().size() <= 255);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // What the VMM says of a stream.
    [[maybe_unused]] const auto stream = proto::parse<proto::GuestStream>(text, "the stream");
    take_claim(std::as_bytes(std::span(data, size)));
    return 0;
}
