// Counts what a policy limits: requests, bytes and streams, of the whole sandbox or of some hosts.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "policy/evaluator.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// How much was counted within the last window. Never too little: a part of the window that is
// partly over counts whole.
class SlidingWindow {
  public:
    // 0 seconds: everything ever counted.
    explicit SlidingWindow(uint32_t seconds);

    [[nodiscard]] uint64_t total(TimePoint now);
    void add(uint64_t amount, TimePoint now);

  private:
    static constexpr size_t kSlots = 32;

    void move_to(TimePoint now);

    Duration slot_length_;
    int64_t slot_ = 0;             // the newest one's number
    std::vector<uint64_t> slots_;  // by number modulo size; one, where there is no window
    uint64_t total_ = 0;
};

// Belongs to one thread. The policy outlives it, and so do the limits that it hands out.
class Limits {
  public:
    enum class Direction { to_upstream, to_guest };

    explicit Limits(const proto::ResolvedPolicy& policy);

    // Counts one request. Null: it may go on; else the limit that it would exceed, and nothing was
    // counted.
    const proto::Limit* admit(const Endpoint& endpoint, TimePoint now);
    // Counts bytes before they are passed on. Not null: they may not be, and were not counted.
    const proto::Limit* add_bytes(const Endpoint& endpoint, Direction direction, uint64_t count,
                                  TimePoint now);
    // As admit(), for a stream that close_stream() ends.
    const proto::Limit* open_stream(const Endpoint& endpoint);
    void close_stream(const Endpoint& endpoint);

  private:
    struct Counter {
        const proto::Limit* limit;
        SlidingWindow window;
        uint64_t streams = 0;
    };

    // Counts `amount` in every counter of this kind that is about the endpoint, or in none.
    const proto::Limit* count(const Endpoint& endpoint, proto::Limit::What what, uint64_t amount,
                              TimePoint now);

    std::vector<Counter> counters_;
};

}  // namespace anchorhold::policy
