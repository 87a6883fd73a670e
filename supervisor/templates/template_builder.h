// Makes a template: boot, warm, make small, write down, restore once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "exec/client.h"
#include "proto/exec.pb.h"
#include "proto/guest_control.pb.h"
#include "snapshot/working_set.h"
#include "supervisor/installation.h"
#include "supervisor/sandbox.h"
#include "supervisor/spec.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::supervisor {

struct TemplateRequest {
    std::string name;
    SandboxSpec sandbox;
    std::vector<proto::ExecStart>
        warm;                // run one after the other, each must exit with 0; none: the probe
    proto::ExecStart probe;  // run in the first sandbox restored: which pages it uses is recorded
    std::optional<proto::ControlRequest> set_up;  // what the guest trusts (SetUp)
    std::string authority;                        // of that root certificate; for the manifest
    MemoryForm form = MemoryForm::kSparse;        // that the memory is stored in
    std::string digest_cache;
    exec::Stdio output;  // of the warming commands
};

// Belongs to its event loop's thread. Destroyed before it is done, it leaves nothing.
class TemplateBuilder {
  public:
    struct Handlers {
        std::function<void(const std::string& step)> on_step;  // "warming: python3 …"; for people
        std::function<void(Result<TemplateManifest>)> on_done;  // once
    };

    static Result<std::unique_ptr<TemplateBuilder>> start(EventLoop& loop,
                                                          const Installation& installation,
                                                          const TemplateStore& store,
                                                          TemplateRequest request,
                                                          Handlers handlers);
    ~TemplateBuilder();
    TemplateBuilder(const TemplateBuilder&) = delete;
    TemplateBuilder& operator=(const TemplateBuilder&) = delete;

  private:
    TemplateBuilder(EventLoop& loop, const Installation& installation, TemplateRequest request,
                    NewTemplate made, Handlers handlers);
    Status boot();
    void clear_caches();
    void warm_next();
    void freeze();
    void squeeze(uint64_t free_bytes);
    void watch_balloon(uint64_t target, uint64_t last, int idle_looks);
    void pause_source();
    Status write_down();
    void source_written(const Result<proto::VmmEvent>& event);
    void source_ended();
    Status restore_once();
    void probe();
    void probe_answered();
    void probe_ended(const exec::Outcome& outcome);
    Status record_working_set();
    Status take_working_set();
    Status finish();

    void run_command(const proto::ExecStart& start,
                     std::function<void(const exec::Outcome&)> on_end,
                     std::function<void()> on_first_byte = nullptr);
    void control(const proto::ControlRequest& request,
                 std::function<void(const proto::ControlAnswer&)> then);
    // Goes on only while nothing has failed.
    void check(const Status& status);
    void fail_with(Error error);
    void sandbox_ended(const std::string& error);
    void step(const std::string& what);

    EventLoop& loop_;
    const Installation& installation_;
    TemplateRequest request_;
    NewTemplate made_;
    Handlers handlers_;
    TemplateManifest manifest_;
    OpenTemplate opened_;  // for the restore
    std::unique_ptr<Sandbox> sandbox_;
    std::unique_ptr<exec::ExecClient> client_;
    std::function<void()> after_end_;  // the sandbox was ended on purpose: what comes then
    OwnFd memory_;
    OwnFd state_;
    OwnFd observed_;  // the last working set, as the VMM wrote it
    std::optional<snapshot::WorkingSet> working_set_;
    size_t warmed_ = 0;
    EventLoop::TimerId timer_ = 0;
    bool probed_ = false;
    bool done_ = false;
};

}  // namespace anchorhold::supervisor
