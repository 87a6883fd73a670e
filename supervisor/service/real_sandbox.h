// LiveSandbox on supervisor::Sandbox.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "supervisor/installation.h"
#include "supervisor/sandbox.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/vault_worker.h"

namespace anchorhold::service {

// The roles that its descriptors are kept under.
constexpr const char* kControlRole = "control";
constexpr const char* kPidfdRole = "pidfd";
constexpr const char* kGuestStreamsRole = "guest_streams";
constexpr const char* kDiskRole = "disk";
constexpr const char* kPagerControlRole = "pager_control";
constexpr const char* kPagerPidfdRole = "pager_pidfd";

// What every sandbox of an engine shares; outlives them.
struct EngineContext {
    EventLoop& loop;
    const supervisor::Installation& installation;
    std::string state_folder;  // where the hibernation key is
};

// A snapshot in memory: what forks start from, and what is encrypted when a sandbox is put away.
struct MemorySnapshot {
    OwnFd state;
    OwnFd memory;
};

class RealSandbox final : public LiveSandbox {
  public:
    RealSandbox(const EngineContext& context, std::string name, supervisor::SandboxSpec spec,
                Handlers handlers);
    ~RealSandbox() override;

    supervisor::Sandbox::Handlers sandbox_handlers();
    // `resumed` runs, from the loop, once the guest is who it is to be; one that waits is enough.
    void when_resumed(std::function<void()> resumed) { on_resumed_ = std::move(resumed); }
    void set(std::unique_ptr<supervisor::Sandbox> sandbox) { sandbox_ = std::move(sandbox); }
    // The host's ends of a parked one's channels.
    void set_channels(std::vector<supervisor::GuestChannel> channels) {
        channels_ = std::move(channels);
    }
    // One that was taken over: tells that it is ready, from the loop.
    void tell_ready();

    Result<OwnFd> open_exec_stream() override { return sandbox_->open_exec_stream(); }
    void count_streams(std::function<void(const Result<uint64_t>&)> answer) override;
    void pause(Done done) override;
    void resume(const GuestIdentity& identity, Done done) override;
    void snapshot(const std::string& folder, Done done) override;
    void fork(std::vector<StartRequest> children, std::vector<Handlers> handlers,
              OnForked on_forked) override;
    void claim(ClaimRequest request, Done done) override;
    std::vector<supervisor::GuestChannel> take_channels() override { return std::move(channels_); }
    void power_off() override;
    void destroy() override { sandbox_->destroy(); }
    void let_go() override { sandbox_->let_go(); }
    [[nodiscard]] std::vector<KeptDescriptor> descriptors() const override;
    [[nodiscard]] pid_t vmm_pid() const override { return sandbox_->vmm_pid(); }

  private:
    // Whether the agent and the processors stand still. Of one that was adopted it is not known: a
    // guest that is asked to freeze or to run twice does not mind.
    enum class Motion { kRunning, kStill };
    using OnSnapshot = std::function<void(Result<std::shared_ptr<MemorySnapshot>>)>;

    void post(std::function<void()> task);
    void answer(Done done, Status status);
    void control(const proto::ControlRequest& request, Done done);
    Status go_on_as(const GuestIdentity& identity, const proto::ControlRequest* set_up);
    void stop_processors(Done done);
    void write_memory(OnSnapshot done);
    void encrypt(std::shared_ptr<MemorySnapshot> snapshot, std::string folder, Done done);
    void encrypt_next(std::vector<VaultJob> jobs, std::string folder, Done done);
    Result<std::unique_ptr<LiveSandbox>> make_child(const MemorySnapshot& snapshot,
                                                    StartRequest request, Handlers handlers,
                                                    std::function<void()> on_resumed);
    struct Birth;
    static void end_birth(EventLoop& loop, const std::shared_ptr<Birth>& birth,
                          Result<std::vector<std::unique_ptr<LiveSandbox>>> result);
    void give_up_birth();
    void start_children(std::shared_ptr<MemorySnapshot> snapshot,
                        std::vector<StartRequest> children, std::vector<Handlers> handlers,
                        OnForked on_forked);

    const EngineContext& context_;
    EventLoop& loop_;
    std::string name_;
    supervisor::SandboxSpec spec_;
    Handlers handlers_;
    std::unique_ptr<supervisor::Sandbox> sandbox_;
    std::vector<supervisor::GuestChannel> channels_;
    std::unique_ptr<VaultWorker> vault_;
    std::function<void()> on_resumed_;
    Motion motion_ = Motion::kRunning;
    EventLoop::TimerId power_off_limit_ = 0;
    std::weak_ptr<Birth> birth_;  // of the children of a fork that is under way
    // Tasks that were posted look at this first.
    std::shared_ptr<RealSandbox*> self_ = std::make_shared<RealSandbox*>(this);
};

// supervisor::GuestIdentity of the service's; what that leaves open is drawn.
[[nodiscard]] Result<supervisor::GuestIdentity> complete(const GuestIdentity& identity);

}  // namespace anchorhold::service
