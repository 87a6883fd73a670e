// WebSocket bytes of either side, cut anywhere: the same frames must come out, and what comes out
// must be valid frames of the same role.
#include "base/check.h"
#include "fake_gates.h"
#include "fuzz_input.h"
#include "proxy/websocket/frame_pipe.h"

namespace anchorhold {
namespace {

using namespace proxy::websocket;

struct Outcome {
    fakes::FakeFilter filter;
    std::string out;
    bool failed = false;
    bool closed = false;
};

Outcome pass(Sender sender, std::string_view bytes, size_t step) {
    Outcome outcome;
    FramePipe pipe(sender, outcome.filter, 1 << 20);
    for (size_t at = 0; at < bytes.size() && !outcome.failed; at += step) {
        outcome.failed = pipe.take(bytes.substr(at, step), outcome.out).has_value();
    }
    outcome.closed = pipe.closed();
    return outcome;
}

void check(fuzz::FuzzInput input) {
    const Sender sender = input.take<uint8_t>() % 2 == 0 ? Sender::client : Sender::server;
    const size_t step = 1 + input.take<uint8_t>() % 64;
    const auto rest = input.take_bytes(1 << 20);
    const std::string_view bytes(reinterpret_cast<const char*>(rest.data()), rest.size());
    const Outcome whole = pass(sender, bytes, bytes.size() + 1);
    const Outcome pieces = pass(sender, bytes, step);
    ANCHORHOLD_CHECK(whole.failed == pieces.failed && whole.closed == pieces.closed);
    ANCHORHOLD_CHECK(whole.filter.messages == pieces.filter.messages);
    ANCHORHOLD_CHECK(whole.filter.controls == pieces.filter.controls);
    const Outcome again = pass(sender, whole.out, whole.out.size() + 1);
    ANCHORHOLD_CHECK(!again.failed && again.closed == whole.closed);
    ANCHORHOLD_CHECK(again.filter.messages == whole.filter.messages);
}

}  // namespace
}  // namespace anchorhold

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    anchorhold::check(anchorhold::fuzz::FuzzInput(data, size));
    return 0;
}
