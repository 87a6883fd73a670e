// A hibernated sandbox on its way back: its files are decrypted before it has a VM.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "supervisor/service/real_sandbox.h"

namespace anchorhold::service {

// A LiveSandbox that is none yet: until on_ready it can only be destroyed; from then on it is the
// sandbox that stands still, and passes everything on to it.
class RestoringSandbox final : public LiveSandbox {
  public:
    static Result<std::unique_ptr<LiveSandbox>> start(const EngineContext& context,
                                                      const std::string& folder,
                                                      StartRequest request, Handlers handlers);
    ~RestoringSandbox() override { *self_ = nullptr; }

    Result<OwnFd> open_exec_stream() override { return real_->open_exec_stream(); }
    void count_streams(std::function<void(const Result<uint64_t>&)> answer) override {
        real_->count_streams(std::move(answer));
    }
    void pause(Done done) override { real_->pause(std::move(done)); }
    void resume(const GuestIdentity& identity, Done done) override {
        real_->resume(identity, std::move(done));
    }
    void snapshot(const std::string& folder, Done done) override {
        real_->snapshot(folder, std::move(done));
    }
    void fork(std::vector<StartRequest> children, std::vector<Handlers> handlers,
              OnForked on_forked) override {
        real_->fork(std::move(children), std::move(handlers), std::move(on_forked));
    }
    void claim(ClaimRequest request, Done done) override {
        real_->claim(std::move(request), std::move(done));
    }
    std::vector<supervisor::GuestChannel> take_channels() override { return {}; }
    void power_off() override { real_ ? real_->power_off() : destroy(); }
    void destroy() override;
    void let_go() override { real_->let_go(); }
    [[nodiscard]] std::vector<KeptDescriptor> descriptors() const override {
        return real_->descriptors();
    }
    [[nodiscard]] pid_t vmm_pid() const override { return real_ ? real_->vmm_pid() : -1; }

  private:
    RestoringSandbox(const EngineContext& context, std::string folder, StartRequest request,
                     Handlers handlers)
        : context_(context),
          folder_(std::move(folder)),
          request_(std::move(request)),
          handlers_(std::move(handlers)) {}
    Status decrypt(const char* kind, const char* file, uint64_t bytes, OwnFd& into,
                   std::function<void()> then);
    Status restore();
    void end(const std::string& error);
    void check(const Status& status);

    const EngineContext& context_;
    std::string folder_;
    StartRequest request_;
    Handlers handlers_;
    MemorySnapshot snapshot_;
    std::unique_ptr<VaultWorker> vault_;
    std::unique_ptr<RealSandbox> real_;
    std::shared_ptr<RestoringSandbox*> self_ = std::make_shared<RestoringSandbox*>(this);
};

}  // namespace anchorhold::service
