// Level-triggered copying: read a stream while its channel has room, read the transport always,
// write what is pending.
#include "machine/mux_bridge.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/sys.h"

namespace anchorhold::machine {
namespace {

constexpr size_t kReadSize = 128 * 1024;
// Produced ahead of the transport: more would only let bulk data stand before a keystroke.
constexpr size_t kOutputBound = 128 * 1024;

}  // namespace

MuxBridge::MuxBridge(EventLoop& loop, OwnFd transport, MuxSide side, Handlers handlers)
    : loop_(loop),
      transport_(std::move(transport)),
      side_(side),
      handlers_(std::move(handlers)),
      mux_(side, *this),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kReadSize)) {}

MuxBridge::~MuxBridge() {
    if (transport_.valid()) {
        loop_.remove(transport_.get());
    }
    for (const auto& [channel, stream] : streams_) {
        loop_.remove(stream.fd.get());
    }
}

Status MuxBridge::start() {
    transport_watched_ = EPOLLIN | (mux_.has_output() ? EPOLLOUT : 0U);
    return loop_.add(transport_.get(), transport_watched_,
                     [this](uint32_t events) { transport_event(events); });
}

Status MuxBridge::open(OwnFd stream) {
    const ChannelId channel = ANCHORHOLD_TRY(mux_.open());
    return add_stream(channel, std::move(stream));
}

Status MuxBridge::attach(ChannelId channel, OwnFd stream) {
    return add_stream(channel, std::move(stream));
}

Status MuxBridge::add_stream(ChannelId channel, OwnFd fd) {
    const int number = fd.get();
    const Status added = loop_.add(
        number, EPOLLIN, [this, channel](uint32_t events) { stream_event(channel, events); });
    if (!added) {
        refuse(channel);
        return added;
    }
    Stream stream;
    stream.fd = std::move(fd);
    stream.watched = EPOLLIN;
    streams_.emplace(channel, std::move(stream));
    watch_transport();
    return {};
}

void MuxBridge::refuse(ChannelId channel) {
    mux_.reset(channel);
    watch_transport();
}

void MuxBridge::hello(std::string_view build_id, bool kvm_usable) {
    mux_.hello(build_id, kvm_usable);
    watch_transport();
}

void MuxBridge::power_off() {
    mux_.power_off();
    watch_transport();
}

void MuxBridge::transport_event(uint32_t events) {
    // Hang-up without data left shows as end of file in read_transport().
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read_transport();
    }
    if (transport_.valid()) {
        write_transport();
    }
}

void MuxBridge::read_transport() {
    // A virtio-serial port gives a page at a time: take what is there before anything is made of
    // it.
    size_t filled = 0;
    while (filled < kReadSize) {
        const auto got =
            sys::read_some(transport_.get(), std::span(buffer_.get() + filled, kReadSize - filled));
        if (got && !got->has_value()) {
            break;
        }
        if (!got || **got == 0) {
            // What arrived before the end is not worth more than the end: every channel is lost
            // with it.
            lose(got ? Error{"multiplex transport: end of file", ECONNRESET}
                     : got.error().within("multiplex transport"));
            return;
        }
        filled += **got;
    }
    if (const Status fed = mux_.feed(std::span(buffer_.get(), filled)); !fed) {
        lose(fed.error());
    }
}

void MuxBridge::write_transport() {
    while (output_start_ < output_.size() || mux_.has_output()) {
        if (output_start_ == output_.size()) {
            output_.clear();
            output_start_ = 0;
            mux_.produce(output_, kOutputBound);
        }
        const std::string_view rest = std::string_view(output_).substr(output_start_);
        const auto sent =
            sys::write_some(transport_.get(), std::as_bytes(std::span(rest.data(), rest.size())));
        if (!sent) {
            lose(sent.error().within("multiplex transport"));
            return;
        }
        if (!sent->has_value()) {
            break;
        }
        output_start_ += **sent;
    }
    watch_transport();
}

void MuxBridge::watch_transport() {
    if (!transport_.valid() || transport_watched_ == 0) {
        return;
    }
    const bool output = output_start_ < output_.size() || mux_.has_output();
    const uint32_t wanted = EPOLLIN | (output ? EPOLLOUT : 0U);
    if (wanted != transport_watched_ && loop_.modify(transport_.get(), wanted)) {
        transport_watched_ = wanted;
    }
}

void MuxBridge::lose(const Error& error) {
    if (!transport_.valid()) {
        return;
    }
    loop_.remove(transport_.get());
    transport_.reset();
    while (!streams_.empty()) {
        drop(streams_.begin()->first);
    }
    handlers_.lost(error);
}

void MuxBridge::on_hello(const proto::MuxHello& hello) {
    handlers_.hello(hello);
}
void MuxBridge::on_power_off() {
    handlers_.power_off();
}
void MuxBridge::on_open(ChannelId channel) {
    handlers_.opened(channel);
}

void MuxBridge::on_data(ChannelId channel, std::string_view bytes) {
    const auto found = streams_.find(channel);
    if (found == streams_.end() || !found->second.write_open) {
        mux_.consumed(channel, bytes.size());
        return;
    }
    Stream& stream = found->second;
    stream.pending.erase(0, std::exchange(stream.pending_start, 0));
    stream.pending.append(bytes);
    write_stream(channel, stream);
    settle(channel);
}

void MuxBridge::on_end(ChannelId channel) {
    const auto found = streams_.find(channel);
    if (found != streams_.end()) {
        found->second.channel_ended = true;
        write_stream(channel, found->second);
        settle(channel);
    }
}

void MuxBridge::on_reset(ChannelId channel) {
    drop(channel);
}

void MuxBridge::on_room(ChannelId channel) {
    const auto found = streams_.find(channel);
    if (found != streams_.end()) {
        if (found->second.hung_up) {
            read_stream(channel, found->second);
        }
        settle(channel);
    }
}

void MuxBridge::stream_event(ChannelId channel, uint32_t events) {
    const auto found = streams_.find(channel);
    if (found == streams_.end()) {
        return;
    }
    Stream& stream = found->second;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        hang_up(channel, stream);
    } else {
        if ((events & EPOLLIN) != 0) {
            read_stream(channel, stream);
        }
        write_stream(channel, stream);
    }
    settle(channel);
    flush();
}

void MuxBridge::hang_up(ChannelId channel, Stream& stream) {
    // A hang-up that our own shutdown completed is the ordinary end, not a peer that went away.
    if (stream.write_open && side_ == MuxSide::kRelay) {
        mux_.reset(channel);
        stream.read_open = stream.write_open = false;
        return;
    }
    loop_.remove(stream.fd.get());
    stream.hung_up = true;
    stop_writing(channel, stream);
    read_stream(channel, stream);
}

void MuxBridge::read_stream(ChannelId channel, Stream& stream) {
    // A hung-up stream gives no further events: take what there is room for, the next on_room()
    // brings the rest.
    do {
        const size_t room = std::min(mux_.room(channel), kReadSize);
        if (!stream.read_open || room == 0) {
            return;
        }
        const auto got = sys::read_some(stream.fd.get(), std::span(buffer_.get(), room));
        if (got && !got->has_value()) {
            return;
        }
        if (!got || **got == 0) {
            stream.read_open = false;
            mux_.end(channel);
            return;
        }
        mux_.send(channel, std::string_view(reinterpret_cast<const char*>(buffer_.get()), **got));
    } while (stream.hung_up);
}

void MuxBridge::write_stream(ChannelId channel, Stream& stream) {
    while (stream.write_open && stream.pending_size() > 0) {
        const std::string_view rest = std::string_view(stream.pending).substr(stream.pending_start);
        const auto sent =
            sys::write_some(stream.fd.get(), std::as_bytes(std::span(rest.data(), rest.size())));
        if (!sent) {
            hang_up(channel, stream);
            return;
        }
        if (!sent->has_value()) {
            return;
        }
        stream.pending_start += **sent;
        mux_.consumed(channel, **sent);
    }
    if (stream.write_open && stream.channel_ended) {
        // Fails only when the peer has gone, which is reported as a hang-up.
        ::shutdown(stream.fd.get(), SHUT_WR);
        stream.write_open = false;
    }
}

void MuxBridge::stop_writing(ChannelId channel, Stream& stream) {
    mux_.consumed(channel, stream.pending_size());
    stream.pending.clear();
    stream.pending_start = 0;
    stream.write_open = false;
}

void MuxBridge::settle(ChannelId channel) {
    const auto found = streams_.find(channel);
    if (found == streams_.end()) {
        return;
    }
    Stream& stream = found->second;
    if (!stream.read_open && !stream.write_open) {
        drop(channel);
        return;
    }
    if (stream.hung_up) {
        return;
    }
    const uint32_t wanted = (stream.read_open && mux_.room(channel) > 0 ? EPOLLIN : 0U) |
                            (stream.pending_size() > 0 ? EPOLLOUT : 0U);
    if (wanted != stream.watched && loop_.modify(stream.fd.get(), wanted)) {
        stream.watched = wanted;
    }
}

void MuxBridge::drop(ChannelId channel) {
    const auto found = streams_.find(channel);
    if (found != streams_.end()) {
        loop_.remove(found->second.fd.get());
        streams_.erase(found);
        handlers_.channel_closed();
    }
}

void MuxBridge::flush() {
    if (transport_.valid() && (transport_watched_ & EPOLLOUT) == 0 && mux_.has_output()) {
        write_transport();
    }
}

}  // namespace anchorhold::machine
