// The multiplex against another side that sends anything, while this side goes on with its own
// business.
#include <map>
#include <string>

#include "base/check.h"
#include "fuzz_input.h"
#include "machine/mux.h"

namespace anchorhold::machine {
namespace {

// Keeps the books that the multiplex promises: nothing is delivered beyond the window or after an
// end.
class Books final : public MuxEvents {
  public:
    void on_hello(const proto::MuxHello& hello) override {
        ANCHORHOLD_CHECK(hello.build_id().size() <= kMaxBuildId);
    }
    void on_power_off() override {}
    void on_open(ChannelId channel) override {
        ANCHORHOLD_CHECK(channel != 0 && open.emplace(channel, Channel{}).second);
        ANCHORHOLD_CHECK(open.size() <= kMaxMuxChannels);
    }
    void on_data(ChannelId channel, std::string_view bytes) override {
        Channel& known = open.at(channel);
        ANCHORHOLD_CHECK(!known.ended && !bytes.empty() && bytes.size() <= kMaxMuxChunk);
        known.held += bytes.size();
        ANCHORHOLD_CHECK(known.held <= kMuxWindow);
    }
    void on_end(ChannelId channel) override {
        ANCHORHOLD_CHECK(!open.at(channel).ended);
        open.at(channel).ended = true;
    }
    void on_reset(ChannelId channel) override { ANCHORHOLD_CHECK(open.erase(channel) == 1); }
    void on_room(ChannelId /*channel*/) override {}

    struct Channel {
        size_t held = 0;  // delivered and not yet consumed
        bool ended = false;
        bool we_ended = false;
    };
    std::map<ChannelId, Channel> open;
};

void act(Mux& mux, Books& books, fuzz::FuzzInput& input) {
    const ChannelId channel = 1 + input.take<uint8_t>() % 4U;
    const auto known = books.open.find(channel);
    switch (input.take<uint8_t>() % 4) {
        case 0:
            mux.send(channel,
                     std::string(std::min<size_t>(input.take<uint16_t>(), mux.room(channel)), 'x'));
            break;
        case 1:
            mux.end(channel);
            if (known != books.open.end()) {
                known->second.we_ended = true;
            }
            break;
        case 2:
            mux.reset(channel);
            books.open.erase(channel);
            break;
        default:
            if (known != books.open.end()) {
                mux.consumed(channel, known->second.held);
                known->second.held = 0;
            }
    }
}

}  // namespace
}  // namespace anchorhold::machine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    using namespace anchorhold::machine;
    fuzz::FuzzInput input(data, size);
    Books books;
    const MuxSide side = input.take<uint8_t>() % 2 == 0 ? MuxSide::kAgent : MuxSide::kRelay;
    Mux mux(side, books);
    for (int opened = 0; side == MuxSide::kRelay && opened < 3; ++opened) {
        books.open.emplace(mux.open().value(), Books::Channel{});
    }
    std::string out;
    while (!input.empty()) {
        const auto choice = input.take<uint8_t>();
        if (choice >= 0x80) {
            act(mux, books, input);
        } else if (!mux.feed(input.take_bytes(choice))) {
            return 0;
        }
        out.clear();
        mux.produce(out, 64 * 1024);
        ANCHORHOLD_CHECK(out.size() < 64 * 1024 + 2 * kMaxMuxFrame);
    }
    return 0;
}
