// One pager's life: files from the supervisor, a descriptor from the VMM, faults until one of them
// goes (proto/pager.proto).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/seqpacket.h"
#include "pager/fault_server.h"

namespace anchorhold::pager {

class Session {
  public:
    // `control` is the supervisor's socket. `descriptors` is an open directory /proc/self/fd, by
    // which a descriptor is known for what it is.
    Session(EventLoop& loop, OwnFd control, OwnFd descriptors)
        : loop_(loop), control_(std::move(control)), descriptors_(std::move(descriptors)) {}

    // Returns when the VMM has closed its socket; an error, which the supervisor was told, when
    // pages can no longer be served.
    Status run();

  private:
    Served<void> start();
    Served<void> open_files(Packet packet);
    Served<void> watch();
    Served<void> serve(Packet packet);
    [[nodiscard]] bool is_userfault(int fd) const;
    void handle_vmm();
    void handle_faults();
    void idle();
    void finish(Served<void> outcome);
    void report(const proto::PagerEvent& event) const;

    EventLoop& loop_;
    OwnFd control_;
    OwnFd descriptors_;
    OwnFd vmm_;
    OwnFd userfault_;
    std::optional<VerifiedMemory> memory_;  // until the VMM is served
    std::vector<uint64_t> prefetch_;
    uint64_t memory_bytes_ = 0;
    std::optional<FaultServer> server_;
    std::optional<Served<void>> outcome_;
    enum class Idle : uint8_t { kNot, kPosted } idle_ = Idle::kNot;
};

}  // namespace anchorhold::pager
