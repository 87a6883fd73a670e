// Bytes of a guest and of an upstream into the sessions of a relay, in turns: whatever comes, every
// gate is finished or gone, and no more is kept than the bounds say.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <list>

#include "base/check.h"
#include "fake_gates.h"
#include "fuzz_input.h"
#include "manual_clock.h"
#include "proxy/http2/bridge.h"

namespace anchorhold {
namespace {

using namespace proxy::http2;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kBound = 1 << 20;

class Harness {
  public:
    Harness() : gates_(window_), bridge_(gates_, limits(), clock_) {
        window_.denied_path = "/no";
        window_.denied_in_body = "DENY";
    }

    void configure(uint8_t choice) {
        window_.body_needed = (choice & 1) != 0 ? 16 : 0;
        window_.answer_needed = (choice & 2) != 0 ? 32 : 0;
        window_.answer_may_change = (choice & 4) != 0;
    }

    void receive(Leg leg, std::span<const std::byte> bytes) {
        bridge_.receive(leg, bytes);
        settle();
    }
    void gone(Leg leg) {
        bridge_.gone(leg, "gone");
        settle();
    }
    void end() {
        gone(Leg::upstream);
        gone(Leg::guest);
        ANCHORHOLD_CHECK(bridge_.finished());
        ANCHORHOLD_CHECK(bridge_.stream_count() == 0);
        ANCHORHOLD_CHECK(bridge_.buffered() == 0);
        ANCHORHOLD_CHECK(window_.live == 0);
        ANCHORHOLD_CHECK(window_.cut_off == 0);
    }

  private:
    static Limits limits() {
        Limits limits;
        limits.streams = 8;
        limits.buffered = 4096;
        limits.collected = 256;
        return limits;
    }

    void settle() {
        for (;;) {
            while (Stream* const stream = bridge_.next_to_admit()) {
                boost::asio::co_spawn(
                    context_, stream->gate->admit(stream->collected, stream->whole),
                    [this, stream](const std::exception_ptr&, std::optional<proxy::Denial> denial) {
                        bridge_.admitted(*stream, std::move(denial));
                    });
            }
            context_.restart();
            const bool ran = context_.poll() > 0;
            std::string out;
            bridge_.produce(Leg::guest, out);
            bridge_.produce(Leg::upstream, out);
            for (const Leg leg : {Leg::guest, Leg::upstream}) {
                if (bridge_.over(leg)) {
                    bridge_.gone(leg, "over");
                }
            }
            if (!ran && out.empty()) {
                break;
            }
        }
        ANCHORHOLD_CHECK(bridge_.buffered() < kBound);
    }

    boost::asio::io_context context_;
    fakes::ManualClock clock_;
    fakes::FakeWindow window_;
    fakes::FakeGates gates_;
    Bridge bridge_;
};

void play(fuzz::FuzzInput input) {
    Harness harness;
    harness.configure(input.take<uint8_t>());
    harness.receive(Leg::guest, std::as_bytes(std::span(kPreface)));
    while (!input.empty()) {
        // The leg in the highest bit, 255: it goes; otherwise how many bytes come.
        const auto turn = input.take<uint8_t>();
        const Leg leg = (turn & 0x80) == 0 ? Leg::guest : Leg::upstream;
        if ((turn & 0x7f) == 0x7f) {
            harness.gone(leg);
        } else {
            harness.receive(leg, input.take_bytes(static_cast<size_t>(turn & 0x7f) * 4 + 1));
        }
    }
    harness.end();
}

}  // namespace
}  // namespace anchorhold

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    anchorhold::play(anchorhold::fuzz::FuzzInput(data, size));
    return 0;
}
