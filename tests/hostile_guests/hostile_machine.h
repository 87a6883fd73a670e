// A VMM of our own whose guest is the hostile kernel: what it said, what became of it, what it
// cost.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "proto/vmm_control.pb.h"
#include "supervisor/vmm_process.h"

namespace anchorhold::vm_test {

// The program of hostile_guests/kernel, beside this one.
std::string hostile_kernel_path();

class HostileMachine {
  public:
    static constexpr uint64_t kMemory = uint64_t{64} << 20;
    static constexpr uint64_t kDisk = uint64_t{1} << 20;

    // Boots; `attacks` are names, one a line.
    explicit HostileMachine(const std::string& attacks);

    // Until the guest has ended: by itself, or when it said that it was done. One that said `mark`
    // is killed, after its VMM has answered once more. False: neither came in time.
    bool run(const std::string& mark = {});

    // The kernel's lines, as far as they arrived, and those that its end brought.
    [[nodiscard]] const std::string& said() const { return said_; }
    [[nodiscard]] const std::optional<proto::Ended>& ended() const { return ended_; }
    // How the VMM's process ended, in a word for an end that is no ordinary one.
    [[nodiscard]] const std::string& process_end() const { return process_end_; }
    // When the guest was done.
    [[nodiscard]] const std::optional<proto::Statistics>& statistics() const { return statistics_; }
    // The most private memory that the VMM was seen with, in KiB.
    [[nodiscard]] uint64_t most_memory() const { return most_memory_; }
    // Does the disk that may not be written hold what it held?
    [[nodiscard]] bool read_only_disk_is_whole() const;
    [[nodiscard]] uint64_t disk_bytes() const;

  private:
    void hear(const proto::VmmEvent& event);
    void accept_streams();
    void look_at_memory();
    void ask_for_statistics();

    std::unique_ptr<EventLoop> loop_;
    OwnFd read_only_disk_;
    OwnFd disk_;
    OwnFd streams_;
    std::vector<OwnFd> accepted_;
    std::unique_ptr<supervisor::VmmProcess> vmm_;  // last: gone before what it borrows
    std::string mark_;
    std::string said_;
    std::optional<proto::Ended> ended_;
    std::string process_end_;
    std::optional<proto::Statistics> statistics_;
    uint64_t most_memory_ = 0;
    bool asked_ = false;
    bool over_ = false;
};

}  // namespace anchorhold::vm_test
