// Credit, turns and the checks of the multiplex.
#include "machine/mux.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace anchorhold::machine {
namespace {

// What one channel may hold unsent; more would only age here.
constexpr size_t kQueueBound = 2 * kMaxMuxChunk;
// Consumed bytes are credited in steps of this size, so that credit costs few frames.
constexpr size_t kCreditStep = kMuxWindow / 4;

tl::unexpected<Error> violation(ChannelId channel, std::string_view what) {
    return fail("multiplex: channel " + std::to_string(channel) + ": " + std::string(what));
}

proto::MuxFrame frame_of(ChannelId channel) {
    proto::MuxFrame frame;
    frame.set_channel(channel);
    return frame;
}

}  // namespace

bool Mux::Channel::ready() const {
    if (end_sent) {
        return false;
    }
    return queued() > 0 ? credit > 0 : end_wanted;
}

Mux::Mux(MuxSide side, MuxEvents& events) : side_(side), events_(events) {}

Status Mux::feed(std::span<const std::byte> bytes) {
    reader_.feed(bytes);
    while (const auto message = ANCHORHOLD_TRY(reader_.next())) {
        const auto frame =
            ANCHORHOLD_TRY(proto::parse<proto::MuxFrame>(*message, "multiplex frame"));
        ANCHORHOLD_TRY(dispatch(frame));
    }
    return {};
}

Status Mux::dispatch(const proto::MuxFrame& frame) {
    if (side_ == MuxSide::kRelay && !hello_seen_ && !frame.has_hello()) {
        return violation(frame.channel(), "a frame before the hello");
    }
    if (frame.channel() == 0) {
        return dispatch_control(frame);
    }
    if (frame.has_open()) {
        return dispatch_open(frame.channel());
    }
    if (!channels_.contains(frame.channel())) {
        return {};
    }
    return dispatch_channel(frame.channel(), frame);
}

Status Mux::dispatch_control(const proto::MuxFrame& frame) {
    if (frame.has_hello() && side_ == MuxSide::kRelay && !hello_seen_) {
        if (frame.hello().build_id().size() > kMaxBuildId) {
            return violation(
                0, "a build id of " + std::to_string(frame.hello().build_id().size()) + " bytes");
        }
        hello_seen_ = true;
        events_.on_hello(frame.hello());
        return {};
    }
    if (frame.has_power_off() && side_ == MuxSide::kAgent) {
        events_.on_power_off();
        return {};
    }
    return violation(0, "a frame that has no business there");
}

Status Mux::dispatch_open(ChannelId id) {
    if (side_ != MuxSide::kAgent || channels_.contains(id)) {
        return violation(id, "opened by the wrong side or twice");
    }
    if (channels_.size() >= kMaxMuxChannels) {
        return violation(id, "more than " + std::to_string(kMaxMuxChannels) + " channels");
    }
    channels_.emplace(id, Channel{});
    events_.on_open(id);
    return {};
}

Status Mux::dispatch_channel(ChannelId id, const proto::MuxFrame& frame) {
    Channel& channel = channels_.find(id)->second;
    switch (frame.frame_case()) {
        case proto::MuxFrame::kData: {
            const size_t size = frame.data().size();
            if (size == 0 || size > kMaxMuxChunk || size > channel.allowance ||
                channel.end_received) {
                return violation(id,
                                 std::to_string(size) + " bytes of data, " +
                                     std::to_string(channel.end_received ? 0 : channel.allowance) +
                                     " allowed");
            }
            channel.allowance -= size;
            events_.on_data(id, frame.data());
            return {};
        }
        case proto::MuxFrame::kCredit:
            if (frame.credit().bytes() > kMuxWindow - channel.credit) {
                return violation(id, "credit beyond the window");
            }
            channel.credit += frame.credit().bytes();
            mark_ready(id, channel);
            return {};
        case proto::MuxFrame::kEnd:
            if (channel.end_received) {
                return violation(id, "ended twice");
            }
            channel.end_received = true;
            events_.on_end(id);
            forget_if_finished(id);
            return {};
        case proto::MuxFrame::kReset:
            channels_.erase(id);
            events_.on_reset(id);
            return {};
        default:
            return violation(id, "a frame that has no business there");
    }
}

Result<ChannelId> Mux::open() {
    ANCHORHOLD_CHECK(side_ == MuxSide::kRelay);
    if (channels_.size() >= kMaxMuxChannels) {
        return fail("the machine serves " + std::to_string(kMaxMuxChannels) + " commands already");
    }
    while (next_channel_ == 0 || channels_.contains(next_channel_)) {
        ++next_channel_;
    }
    const ChannelId id = next_channel_++;
    channels_.emplace(id, Channel{});
    proto::MuxFrame frame = frame_of(id);
    frame.mutable_open();
    proto::append_frame(control_, frame);
    return id;
}

void Mux::power_off() {
    ANCHORHOLD_CHECK(side_ == MuxSide::kRelay);
    proto::MuxFrame frame;
    frame.mutable_power_off();
    proto::append_frame(control_, frame);
}

void Mux::hello(std::string_view build_id, bool kvm_usable) {
    ANCHORHOLD_CHECK(side_ == MuxSide::kAgent);
    proto::MuxFrame frame;
    frame.mutable_hello()->set_build_id(std::string(build_id.substr(0, kMaxBuildId)));
    frame.mutable_hello()->set_kvm_usable(kvm_usable);
    proto::append_frame(control_, frame);
}

size_t Mux::room(ChannelId id) const {
    const auto found = channels_.find(id);
    if (found == channels_.end() || found->second.end_wanted) {
        return 0;
    }
    return kQueueBound - found->second.queued();
}

void Mux::send(ChannelId id, std::string_view bytes) {
    ANCHORHOLD_CHECK(bytes.size() <= room(id));
    if (bytes.empty()) {
        return;
    }
    Channel& channel = channels_.find(id)->second;
    channel.queue.erase(0, std::exchange(channel.queue_start, 0));
    channel.queue.append(bytes);
    mark_ready(id, channel);
}

void Mux::end(ChannelId id) {
    const auto found = channels_.find(id);
    if (found != channels_.end() && !found->second.end_wanted) {
        found->second.end_wanted = true;
        mark_ready(id, found->second);
    }
}

void Mux::reset(ChannelId id) {
    if (channels_.erase(id) > 0) {
        proto::MuxFrame frame = frame_of(id);
        frame.mutable_reset();
        proto::append_frame(control_, frame);
    }
}

void Mux::consumed(ChannelId id, size_t count) {
    const auto found = channels_.find(id);
    if (found == channels_.end() || found->second.end_received) {
        return;
    }
    Channel& channel = found->second;
    channel.unacknowledged += count;
    ANCHORHOLD_CHECK(channel.unacknowledged + channel.allowance <= kMuxWindow);
    if (channel.unacknowledged >= kCreditStep) {
        proto::MuxFrame frame = frame_of(id);
        frame.mutable_credit()->set_bytes(static_cast<uint32_t>(channel.unacknowledged));
        proto::append_frame(control_, frame);
        channel.allowance += std::exchange(channel.unacknowledged, 0);
    }
}

bool Mux::has_output() const {
    return !control_.empty() || !turns_.empty();
}

void Mux::produce(std::string& out, size_t limit) {
    out += control_;
    control_.clear();
    while (out.size() < limit && !turns_.empty()) {
        const ChannelId id = turns_.front();
        turns_.pop_front();
        const auto found = channels_.find(id);
        if (found != channels_.end()) {
            found->second.in_turn = false;
            produce_turn(id, found->second, out);
        }
    }
}

void Mux::produce_turn(ChannelId id, Channel& channel, std::string& out) {
    const size_t size = std::min({channel.queued(), channel.credit, kMaxMuxChunk});
    if (size > 0) {
        proto::MuxFrame frame = frame_of(id);
        frame.set_data(channel.queue.data() + channel.queue_start, size);
        proto::append_frame(out, frame);
        channel.queue_start += size;
        channel.credit -= size;
        if (channel.queued() == 0) {
            channel.queue.clear();
            channel.queue_start = 0;
        }
    }
    if (channel.queued() == 0 && channel.end_wanted && !channel.end_sent) {
        channel.end_sent = true;
        proto::MuxFrame frame = frame_of(id);
        frame.mutable_end();
        proto::append_frame(out, frame);
        forget_if_finished(id);
        return;
    }
    mark_ready(id, channel);
    events_.on_room(id);
}

void Mux::mark_ready(ChannelId id, Channel& channel) {
    if (channel.ready() && !channel.in_turn) {
        channel.in_turn = true;
        turns_.push_back(id);
    }
}

void Mux::forget_if_finished(ChannelId id) {
    const auto found = channels_.find(id);
    if (found != channels_.end() && found->second.end_sent && found->second.end_received) {
        channels_.erase(found);
    }
}

}  // namespace anchorhold::machine
