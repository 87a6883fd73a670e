// One captured connection: the agent's socket and the stream to the host, joined byte for byte.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"

namespace anchorhold::guest_init {

// What all relays of a thread share: the bytes in hand, and how many are kept for slow readers.
struct RelayBuffers {
    static constexpr size_t kChunk = 64 * 1024;
    static constexpr size_t kSmallChunk = 4 * 1024;
    // Beyond so much kept in all, each direction is read in small chunks.
    static constexpr size_t kAmple = 8 * 1024 * 1024;

    std::unique_ptr<std::byte[]> scratch = std::make_unique_for_overwrite<std::byte[]>(kChunk);
    size_t kept = 0;
};

// Bytes that one side takes no faster wait in the other side's socket: at most one chunk a
// direction is kept here. Each side's half-close is passed on once what came before it was. The end
// of both directions ends the relay, and so does a reset: of the agent's side, which the host sees
// as an end of both directions at once; or of the host's side, which the agent sees as a reset. The
// host's side counts as reset when it refuses the stream, fails, or is gone altogether without
// having ended its direction first. What it sent before is read by the agent first, if that takes
// no longer than kResetPatience.
class Relay {
  public:
    static constexpr Duration kResetPatience = std::chrono::seconds(30);

    // `preamble` goes to the host before the agent's bytes. `ended` is called once, from the loop,
    // never from inside a constructor; it may not destroy the relay at once. All references outlive
    // the relay; both descriptors are nonblocking, `host` may still be connecting.
    Relay(EventLoop& loop, RelayBuffers& buffers, OwnFd agent, OwnFd host, std::string preamble,
          std::function<void()> ended);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    // Fails where the loop cannot watch; the relay is then of no use, and `ended` is not called.
    Status start();

    // Ends both sides at once; the agent's sees a reset. The host's stream is over even where a
    // command that has not executed yet still holds a copy of the descriptor.
    void reset();

  private:
    // One end, and the direction that it is the source of.
    struct Side {
        OwnFd socket;
        uint32_t watched = 0;
        bool registered = false;
        bool read_over = false;   // its end of file was seen
        bool write_over = false;  // no more is written to it
        std::string kept;         // read from the other side, not taken by this one yet
        size_t taken = 0;         // how much of `kept` is gone
    };

    void on_connected();
    void on_event(Side& side, Side& other, uint32_t events);
    void move_bytes(Side& from, Side& to);
    // Bytes to a side; keeps what it does not take. False when it is broken.
    bool give(Side& to, std::span<const std::byte> bytes);
    bool flush(Side& to);
    // The source's end of file, once all bytes before it are delivered.
    void pass_end(Side& from, Side& to);
    [[nodiscard]] bool host_is_gone() const;
    void watch(Side& side, const Side& other);
    void update();
    void reset_agent();
    void reset_agent_when_it_has_read();
    void finish();
    void drop_kept(Side& side);

    EventLoop& loop_;
    RelayBuffers& buffers_;
    Side agent_;
    Side host_;
    std::string preamble_;
    std::function<void()> ended_;
    EventLoop::TimerId reset_check_ = 0;
    TimePoint reset_at_latest_{};
    bool connected_ = false;
    bool over_ = false;
};

}  // namespace anchorhold::guest_init
