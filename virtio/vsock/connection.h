// One vsock stream: its state, its credit in both directions, and the socket on the host that it is
// tied to.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "virtio/descriptor_chain.h"
#include "virtio/vsock/packet.h"

namespace anchorhold::virtio {

// Bytes from the guest that the host's socket would not take yet. Memory is held only while there
// are some.
class Backlog {
  public:
    [[nodiscard]] bool empty() const { return start_ == bytes_.size(); }
    [[nodiscard]] std::span<const std::byte> bytes() const {
        return std::span(bytes_).subspan(start_);
    }
    // Appends all that `source` has left.
    void append(ChainCursor& source);
    void consume(size_t count);
    void clear();

  private:
    std::vector<std::byte> bytes_;
    size_t start_ = 0;
};

// Knows neither queues nor epoll. Directions: "inbound" is guest to host, "outbound" is host to
// guest.
class Connection {
  public:
    enum class State : uint8_t {
        kRequested,  // opened by the host, the guest has not answered
        kEstablished,
        kClosing,   // nothing more will pass; the guest was told and its reset is awaited
                    // (§5.10.6.5)
        kDraining,  // over for the guest; the host's socket is yet to take the backlog
    };
    // What the guest's packet means for this connection's life.
    enum class Verdict : uint8_t {
        kKeep,
        kRefuse,    // against the protocol: reset it
        kComplete,  // closed in good order by the guest: acknowledge with a reset
        kGone,      // the guest reset it: no answer
    };

    // `stream` is a non-blocking SOCK_STREAM socket; `buffer_size` is what the guest may have in
    // flight, in bytes.
    Connection(uint64_t id, StreamKey key, OwnFd stream, State state, uint32_t buffer_size);

    [[nodiscard]] uint64_t id() const { return id_; }
    [[nodiscard]] StreamKey key() const { return key_; }
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] int fd() const { return stream_.get(); }  // -1 once both directions are over
    [[nodiscard]] bool request_unsent() const { return request_due_; }

    // --- towards the guest
    // A packet without payload is due; take_control() says which.
    [[nodiscard]] bool has_control() const;
    // Fills operation, flags and credit of the next due control packet. Only when has_control().
    void take_control(PacketHeader& header);
    // Payload may be waiting, and the guest has credit for it.
    [[nodiscard]] bool has_data() const;
    // How much may be read now: the guest's credit, in bytes.
    [[nodiscard]] uint32_t credit() const;
    // Reads from the socket into guest memory. Returns the bytes, 0 when there is nothing now or
    // never again. The iovecs must not ask for more than credit().
    size_t read_stream(std::span<const iovec> into);
    // How many receive buffers the next read should offer: grows while reads fill them, so that a
    // busy stream costs few system calls and a quiet one pops no buffers in vain.
    [[nodiscard]] size_t burst() const { return burst_; }
    void filled_buffers(size_t offered, size_t filled);
    // Fills operation and credit for a data packet of `length` bytes.
    void fill_data(PacketHeader& header, uint32_t length);

    // --- from the guest
    // The guest's request, which this established connection answers.
    void accept(const PacketHeader& request) { learn_credit(request); }
    // `payload` holds exactly the header's length of readable bytes.
    Verdict receive(const PacketHeader& header, ChainCursor payload);

    // --- from the host's socket
    // epoll events, edge-triggered (so that a half-closed stream cannot spin). False when the
    // connection was never answered and its host has left.
    [[nodiscard]] bool stream_event(uint32_t events);
    // Nothing is left to do with the socket: the caller stops watching it and calls close_stream().
    [[nodiscard]] bool stream_finished() const;
    void close_stream();
    // From here on only the backlog counts. False when there is none: drop the connection.
    [[nodiscard]] bool start_draining();

    // Payload bytes moved so far.
    [[nodiscard]] uint64_t bytes_to_guest() const { return bytes_to_guest_; }
    [[nodiscard]] uint64_t bytes_from_guest() const { return bytes_from_guest_; }
    [[nodiscard]] size_t backlog_size() const { return backlog_.bytes().size(); }

  private:
    Verdict receive_data(const PacketHeader& header, ChainCursor payload);
    Verdict receive_shutdown(uint32_t flags);
    void learn_credit(const PacketHeader& header);
    void fill_credit(PacketHeader& header);
    void deliver(ChainCursor& payload, uint32_t length);
    void flush_backlog();
    void inbound_failed();
    void note_stall();
    [[nodiscard]] bool shutdown_due() const;
    void finish_inbound_if_flushed();
    [[nodiscard]] uint32_t shutdown_flags() const;

    uint64_t id_;
    StreamKey key_;
    OwnFd stream_;
    State state_;

    // Credit, §5.10.6.3. Counters run freely, modulo 2^32.
    uint32_t buffer_size_;    // ours, announced as buf_alloc
    uint32_t received_ = 0;   // payload bytes the guest sent
    uint32_t forwarded_ = 0;  // of them, taken by the host's socket (or by nobody, once it is gone)
    uint32_t forwarded_told_ = 0;     // what the guest last heard of forwarded_
    uint32_t sent_ = 0;               // payload bytes we sent
    uint32_t guest_buffer_size_ = 0;  // the guest's buf_alloc
    uint32_t guest_forwarded_ = 0;    // the guest's fwd_cnt
    Backlog backlog_;

    bool request_due_ = false;
    bool response_due_ = false;
    bool credit_update_due_ = false;
    bool credit_requested_ = false;  // once per stall
    bool credit_request_due_ = false;

    bool readable_ = false;        // the socket may have bytes or its end
    bool hung_up_ = false;         // its end is certain to come: a short read is not the last
    bool outbound_over_ = false;   // end of file from the host, or the guest receives no more
    bool inbound_over_ = false;    // the guest sends no more, or the host takes no more
    bool inbound_broken_ = false;  // the host takes no more: what arrives is dropped
    bool guest_sends_no_more_ = false;
    bool guest_receives_no_more_ = false;
    uint32_t shutdown_told_ = 0;  // kShutdown* flags the guest has heard from us

    size_t burst_ = 1;
    uint64_t bytes_to_guest_ = 0;
    uint64_t bytes_from_guest_ = 0;
    std::vector<iovec> vectors_;
};

}  // namespace anchorhold::virtio
