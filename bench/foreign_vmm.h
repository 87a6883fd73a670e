// Another VMM that boots our kernel, init and image, and is driven over the same protocol.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/spawn.h"
#include "bench/guest_link.h"
#include "bench/invocation.h"
#include "bench/variant.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"
#include "supervisor/disk.h"

namespace anchorhold::bench {

struct ForeignVmmSettings {
    VariantDescription description;
    std::string configuration_path;  // where description.configuration is written before each start
    std::unique_ptr<GuestLink> link;
    supervisor::DiskRequest disk;  // of 0 bytes: none. The VMM finds it at kDiskPath
    uint64_t memory_bytes = 0;
};

// The writable disk has no name: a VMM that opens files by path finds it here.
constexpr const char* kDiskPath = "/proc/self/fd/3";

// The guest's clock is related to the host's by KVM's debugfs (tsc-offset) where that is mounted
// and readable; elsewhere by the arrival of init's report, which makes milestones in the guest look
// later by that report's delivery.
class ForeignVmm final : public Variant {
  public:
    ForeignVmm(EventLoop& loop, ForeignVmmSettings settings);
    ~ForeignVmm() override;

    [[nodiscard]] const VariantDescription& description() const override {
        return settings_.description;
    }
    Status start(Handlers handlers) override;
    Result<OwnFd> open_exec_stream() override;
    void note_exec(uint64_t guest_tsc) override { tsc_exec_ = guest_tsc; }
    void note_first_byte() override;
    [[nodiscard]] const supervisor::Timeline& timeline() const override { return timeline_; }
    [[nodiscard]] pid_t vmm_pid() const override { return child_.pid(); }
    [[nodiscard]] GuestMappings guest_mappings() const override;
    void destroy() override { give_up(""); }

  private:
    struct Instant {
        uint64_t nanoseconds = 0;
        uint64_t tsc = 0;
    };
    static Instant now();

    Status launch();
    void forget();
    void accept_ready();
    void read_ready();
    void handle_ready(const proto::Ready& ready);
    void handle_exit();
    void give_up(std::string why);

    EventLoop& loop_;
    ForeignVmmSettings settings_;
    Handlers handlers_;
    supervisor::Timeline timeline_;
    OwnFd output_;  // what the VMM wrote, for its last words
    OwnFd listener_;
    OwnFd ready_stream_;
    proto::FrameReader frames_{proto::kMaxControlFrame};
    Child child_;
    std::optional<std::string> outcome_;
    Instant begin_;
    Instant ready_arrival_;
    uint64_t tsc_init_started_ = 0;
    uint64_t tsc_ready_ = 0;
    uint64_t tsc_exec_ = 0;
};

// KVM's offset of vCPU 0 of the VM that this process made: guest TSC = host TSC + offset, modulo
// 2^64. nullopt when `debugfs` (usually /sys/kernel/debug) does not tell.
[[nodiscard]] std::optional<uint64_t> kvm_tsc_offset(const std::string& debugfs, pid_t vmm);

}  // namespace anchorhold::bench
