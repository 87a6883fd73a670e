// Answers the faults of one VMM: which pages, from where, in which order.
#pragma once

#include <linux/userfaultfd.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "pager/failure.h"
#include "pager/guest_pages.h"
#include "pager/verified_memory.h"

namespace anchorhold::pager {

// A fault is answered with its whole chunk, whose bytes were read and checked anyway. Pages that
// the guest gave back are zeros when they are touched again, never what the file has.
class FaultServer {
  public:
    struct Counts {
        uint64_t faults = 0;             // messages
        uint64_t chunks_served = 0;      // with data
        uint64_t chunks_prefetched = 0;  // of which
        uint64_t removed_bytes = 0;
    };

    // The memory begins at `address` in the process behind `userfault`, which outlives this.
    // `prefetch`: chunks to fill while nothing waits, in this order.
    FaultServer(int userfault, uint64_t address, VerifiedMemory memory,
                std::vector<uint64_t> prefetch);

    // Takes all messages that wait.
    Served<void> read_messages();
    // Answers all faults that were read, as far as the process lets us.
    Served<void> serve();
    // Fills one chunk of the list.
    Served<void> prefetch();

    // The process would not let the last chunk be filled before its messages are read.
    [[nodiscard]] bool blocked() const { return blocked_; }
    // A fault is still to be answered.
    [[nodiscard]] bool waiting() const { return !faults_.empty(); }
    [[nodiscard]] bool prefetching() const { return next_prefetch_ < prefetch_.size(); }
    [[nodiscard]] const Counts& counts() const { return counts_; }

  private:
    Served<void> take(const uffd_msg& message);
    Served<void> take_fault(uint64_t address);
    Served<void> take_removal(uint64_t begin, uint64_t end);
    // What to fill of a chunk.
    enum class Part : uint8_t { kAll, kRemoved };
    // kDone also where the memory is gone: nobody waits for it any more.
    Served<Filled> fill(uint64_t chunk, Part part);
    Served<Filled> fill_run(uint64_t page, uint64_t pages, std::span<const std::byte> data);
    [[nodiscard]] bool removed(uint64_t page) const { return removed_[page]; }

    int userfault_;
    GuestPages pages_;
    uint64_t address_;
    VerifiedMemory memory_;
    std::vector<uint64_t> prefetch_;
    size_t next_prefetch_ = 0;
    std::deque<uint64_t> faults_;  // pages, in the order they were asked for
    std::vector<bool> removed_;    // pages
    std::vector<bool> served_;     // chunks
    bool blocked_ = false;
    Counts counts_;
};

}  // namespace anchorhold::pager
