// Ports, turns and ends. A connection leaves the books in detach(); its socket may outlive it to
// take the backlog.
#include "virtio/vsock/muxer.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::virtio {
namespace {

// Host ports of connections that the host opens: far from any port a guest connects to, and not
// soon used again.
constexpr uint32_t kFirstHostPort = 0x4000'0000;
constexpr uint32_t kLastHostPort = 0x7fff'ffff;

uint64_t key_number(StreamKey key) {
    return (uint64_t{key.host_port} << 32) | key.guest_port;
}

}  // namespace

struct Muxer::Entry {
    Connection connection;
    bool queued = false;  // its id is in ready_
    int watched_fd = -1;
};

Muxer::Muxer(uint64_t guest_cid, VsockLimits limits, StreamBackend& backend, EventLoop& loop,
             DeviceLock& lock, std::function<void()> output_ready)
    : guest_cid_(guest_cid),
      limits_(limits),
      backend_(backend),
      loop_(loop),
      lock_(lock),
      output_ready_(std::move(output_ready)),
      next_host_port_(kFirstHostPort),
      dig_(loop, lock, [this] { dig_graves(); }) {}

Muxer::~Muxer() {
    for (auto& [id, entry] : entries_) {
        graveyard_.push_back(std::move(entry));
    }
    dig_graves();
}

Muxer::Entry* Muxer::find(StreamKey key) {
    const auto id = id_of_key_.find(key_number(key));
    return id == id_of_key_.end() ? nullptr : entries_.at(id->second).get();
}

void Muxer::address(PacketHeader& header, StreamKey key) const {
    header.source_cid = kVsockHostCid;
    header.destination_cid = guest_cid_;
    header.source_port = key.host_port;
    header.destination_port = key.guest_port;
    header.type = kVsockStream;
}

void Muxer::push_reset(StreamKey key, uint16_t type) {
    if (resets_.size() >= limits_.resets) {
        ++counters_.packets_dropped;
        return;
    }
    resets_.push_back({key, type});
}

void Muxer::receive(const PacketHeader& header, ChainCursor payload) {
    const StreamKey key{header.destination_port, header.source_port};
    const auto operation = static_cast<Operation>(static_cast<uint16_t>(header.operation));
    // §5.10.6: packets of others, or to others, are nobody's.
    if (header.source_cid != guest_cid_ || header.destination_cid != kVsockHostCid) {
        ++counters_.packets_dropped;
        return;
    }
    if (header.type != kVsockStream) {
        if (operation == Operation::kReset) {
            ++counters_.packets_dropped;
        } else {
            push_reset(key, header.type);  // §5.10.6.4.1: an unknown type is answered
        }
        return;
    }
    Entry* const entry = find(key);
    if (header.length > payload.remaining()) {
        ++counters_.packets_dropped;
        if (entry != nullptr) {
            settle(*entry, Connection::Verdict::kRefuse);
        }
        return;
    }
    payload.limit(header.length);
    if (entry != nullptr) {
        settle(*entry, entry->connection.receive(header, payload));
    } else if (operation == Operation::kRequest) {
        open(header, key);
    } else if (operation == Operation::kReset) {
        ++counters_.packets_dropped;  // never a reset for a reset
    } else {
        push_reset(key, kVsockStream);
    }
}

void Muxer::open(const PacketHeader& header, StreamKey key) {
    if (!make_room()) {
        push_reset(key, kVsockStream);
        return;
    }
    auto stream = backend_.open(key.guest_port, key.host_port);
    if (!stream) {
        log::debug("vsock: port {} refused: {}", key.host_port, stream.error().message);
        push_reset(key, kVsockStream);
        return;
    }
    auto entry = add(key, std::move(*stream), Connection::State::kEstablished);
    if (!entry) {
        log::warning("vsock: {}", entry.error().message);
        push_reset(key, kVsockStream);
        return;
    }
    (*entry)->connection.accept(header);
    after_change(**entry);
}

Status Muxer::connect(uint32_t guest_port, OwnFd stream) {
    int type = 0;
    socklen_t length = sizeof type;
    if (::getsockopt(stream.get(), SOL_SOCKET, SO_TYPE, &type, &length) < 0) {
        return fail_errno("getsockopt", "stream for guest port " + std::to_string(guest_port));
    }
    if (type != SOCK_STREAM) {
        return fail("stream for guest port " + std::to_string(guest_port) +
                    ": the descriptor is no stream socket");
    }
    const auto unanswered = std::count_if(entries_.begin(), entries_.end(), [](const auto& item) {
        return item.second->connection.state() == Connection::State::kRequested;
    });
    if (static_cast<size_t>(unanswered) >= limits_.unanswered || !make_room()) {
        return fail("stream for guest port " + std::to_string(guest_port) +
                    ": too many connections are open or waiting");
    }
    ANCHORHOLD_TRY(sys::set_nonblocking(stream.get()));
    const StreamKey key{free_host_port(guest_port), guest_port};
    Entry* const entry = ANCHORHOLD_TRY(add(key, std::move(stream), Connection::State::kRequested));
    after_change(*entry);
    return {};
}

uint32_t Muxer::free_host_port(uint32_t guest_port) {
    // A port whose connection lingers is still in the book; there are more ports than connections.
    while (true) {
        const uint32_t port = next_host_port_;
        next_host_port_ = port == kLastHostPort ? kFirstHostPort : port + 1;
        if (find({port, guest_port}) == nullptr) {
            return port;
        }
    }
}

Result<Muxer::Entry*> Muxer::add(StreamKey key, OwnFd stream, Connection::State state) {
    const uint64_t id = next_id_++;
    const int fd = stream.get();
    auto entry = std::unique_ptr<Entry>(
        new Entry{Connection(id, key, std::move(stream), state, limits_.connection_buffer)});
    ANCHORHOLD_TRY(
        loop_.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, [this, id](uint32_t events) {
            const std::lock_guard guard(lock_);
            stream_event(id, events);
        }));
    entry->watched_fd = fd;
    id_of_key_[key_number(key)] = id;
    ++counters_.streams_opened;
    return (entries_[id] = std::move(entry)).get();
}

bool Muxer::make_room() {
    if (entries_.size() < limits_.connections) {
        return true;
    }
    // Connections whose end the guest was told wait for it without a clock; the oldest gives way.
    for (auto& [id, entry] : entries_) {
        if (entry->connection.state() == Connection::State::kClosing) {
            settle(*entry, Connection::Verdict::kRefuse);
            return true;
        }
    }
    return false;
}

void Muxer::settle(Entry& entry, Connection::Verdict verdict) {
    switch (verdict) {
        case Connection::Verdict::kKeep:
            after_change(entry);
            break;
        case Connection::Verdict::kRefuse:
        case Connection::Verdict::kComplete:
            push_reset(entry.connection.key(), kVsockStream);
            detach(entry);
            break;
        case Connection::Verdict::kGone:
            detach(entry);
            break;
    }
}

void Muxer::stream_event(uint64_t id, uint32_t events) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        return;  // dropped a moment ago, not yet unwatched
    }
    Entry& entry = *found->second;
    if (!entry.connection.stream_event(events)) {
        // The host left before the guest answered; the guest may not even know of it.
        const bool known = !entry.connection.request_unsent();
        if (known) {
            push_reset(entry.connection.key(), kVsockStream);
        }
        detach(entry);
    } else {
        after_change(entry);
    }
    if (has_output()) {
        output_ready_();
    }
}

void Muxer::after_change(Entry& entry) {
    Connection& connection = entry.connection;
    if (connection.stream_finished()) {
        loop_.remove(std::exchange(entry.watched_fd, -1));
        connection.close_stream();
        if (connection.state() == Connection::State::kDraining) {
            release(connection.id());
            return;
        }
    }
    if (!entry.queued && (connection.has_control() || connection.has_data())) {
        entry.queued = true;
        ready_.push_back(connection.id());
    }
}

void Muxer::detach(Entry& entry) {
    id_of_key_.erase(key_number(entry.connection.key()));
    if (!entry.connection.start_draining()) {
        release(entry.connection.id());
        dig_graves();
    }
}

void Muxer::release(uint64_t id) {
    const auto found = entries_.find(id);
    ANCHORHOLD_CHECK(found != entries_.end());
    counters_.bytes_to_guest += found->second->connection.bytes_to_guest();
    counters_.bytes_from_guest += found->second->connection.bytes_from_guest();
    graveyard_.push_back(std::move(found->second));
    entries_.erase(found);
}

void Muxer::dig_graves() {
    for (const auto& entry : graveyard_) {
        if (entry->watched_fd >= 0) {
            loop_.remove(entry->watched_fd);
        }
    }
    graveyard_.clear();
}

void Muxer::drop_all() {
    resets_.clear();
    ready_.clear();
    for (auto next = entries_.begin(); next != entries_.end();) {
        const auto item = next++;
        Entry& entry = *item->second;
        entry.queued = false;
        if (entry.connection.request_unsent()) {
            entry.queued = true;
            ready_.push_back(item->first);
        } else if (entry.connection.state() != Connection::State::kDraining) {
            id_of_key_.erase(key_number(entry.connection.key()));
            if (!entry.connection.start_draining()) {
                release(item->first);
            }
        }
    }
    // The loop's descriptors belong to the loop's thread, which this may not be.
    dig_.schedule();
}

Connection* Muxer::data_turn() {
    if (!resets_.empty()) {
        return nullptr;
    }
    while (!ready_.empty()) {
        const auto found = entries_.find(ready_.front());
        if (found != entries_.end()) {
            Entry& entry = *found->second;
            if (entry.connection.has_control()) {
                return nullptr;
            }
            if (entry.connection.has_data()) {
                return &entry.connection;
            }
            entry.queued = false;
        }
        ready_.pop_front();
    }
    return nullptr;
}

void Muxer::end_turn() {
    const auto found = entries_.find(ready_.front());
    ready_.pop_front();
    if (found != entries_.end()) {
        found->second->queued = false;
        after_change(*found->second);
    }
}

PacketHeader Muxer::take_control() {
    PacketHeader header;
    if (!resets_.empty()) {
        address(header, resets_.front().key);
        header.type = resets_.front().type;
        header.operation = static_cast<uint16_t>(Operation::kReset);
        resets_.pop_front();
        ++counters_.resets_sent;
        return header;
    }
    Connection& connection = entries_.at(ready_.front())->connection;
    address(header, connection.key());
    connection.take_control(header);
    end_turn();
    return header;
}

bool Muxer::has_streams() const {
    return !resets_.empty() || std::any_of(entries_.begin(), entries_.end(), [](const auto& item) {
        const Connection& connection = item.second->connection;
        return !connection.request_unsent() && connection.state() != Connection::State::kDraining;
    });
}

void Muxer::set_next_host_port(uint32_t port) {
    if (port >= kFirstHostPort && port <= kLastHostPort) {
        next_host_port_ = port;
    }
}

VsockCounters Muxer::counters() const {
    VsockCounters counters = counters_;
    for (const auto& [id, entry] : entries_) {
        counters.bytes_to_guest += entry->connection.bytes_to_guest();
        counters.bytes_from_guest += entry->connection.bytes_from_guest();
        if (entry->connection.state() == Connection::State::kEstablished) {
            ++counters.open_streams;
        }
    }
    return counters;
}

}  // namespace anchorhold::virtio
