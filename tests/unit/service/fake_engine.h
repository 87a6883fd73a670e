// An engine without VMs: every operation waits until the test lets it succeed or fail.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/sys.h"
#include "supervisor/service/engine.h"

namespace anchorhold::service {

class FakeEngine;

class FakeSandbox final : public LiveSandbox {
  public:
    FakeSandbox(FakeEngine& engine, std::string name, Handlers handlers);
    ~FakeSandbox() override;

    Result<OwnFd> open_exec_stream() override;
    void count_streams(std::function<void(const Result<uint64_t>&)> answer) override;
    void pause(Done done) override { begin("pause", std::move(done)); }
    void resume(const GuestIdentity& identity, Done done) override {
        begin("resume " + std::to_string(identity.generation), std::move(done));
    }
    void snapshot(const std::string& folder, Done done) override;
    void fork(std::vector<StartRequest> children, std::vector<Handlers> handlers,
              OnForked on_forked) override;
    void claim(ClaimRequest request, Done done) override {
        name = request.name;
        begin("claim", std::move(done));
    }
    std::vector<supervisor::GuestChannel> take_channels() override { return {}; }
    void power_off() override {
        begin("power_off", [this](const Status&) { end(""); });
    }
    void destroy() override;
    void let_go() override { let_go_ = true; }
    [[nodiscard]] std::vector<KeptDescriptor> descriptors() const override {
        return {{"control", control.get()}, {"pidfd", control.get()}};
    }
    [[nodiscard]] pid_t vmm_pid() const override { return 1; }

    void begin(const std::string& what, Done done);
    // The VM ends: on_end runs and may destroy this.
    void end(const std::string& error);

    FakeEngine& engine;
    std::string name;
    Handlers handlers;
    OwnFd control = sys::memfd("control", 0).value();
    std::shared_ptr<FakeSandbox*> self = std::make_shared<FakeSandbox*>(this);
    uint64_t streams = 0;
    bool let_go_ = false;
    bool ended = false;
};

class FakeShell final : public Shell {
  public:
    explicit FakeShell(FakeEngine& engine);
    ~FakeShell() override;
    FakeEngine& engine;
};

// What was asked for, in order, is in `log`; what waits is in `pending`.
class FakeEngine final : public SandboxEngine {
  public:
    explicit FakeEngine(EventLoop& event_loop) : loop(event_loop) {}

    Result<TemplateInfo> find_template(const std::string& name) override {
        const auto found = templates.find(name);
        return found == templates.end()
                   ? Result<TemplateInfo>(fail("there is no template '" + name + "'", ENOENT))
                   : Result<TemplateInfo>(found->second);
    }
    Made start_cold(StartRequest request, Handlers handlers) override {
        return make("cold", request.name, std::move(handlers));
    }
    Made restore(const TemplateInfo&, StartRequest request, std::unique_ptr<Shell> shell,
                 Handlers handlers) override {
        return make(shell ? "shell" : "restore", request.name, std::move(handlers));
    }
    Made park(const TemplateInfo& origin, std::unique_ptr<Shell>, Handlers handlers) override {
        return make("park", origin.name, std::move(handlers));
    }
    Result<std::unique_ptr<Shell>> make_shell(const TemplateInfo& origin,
                                              Handlers handlers) override {
        ANCHORHOLD_TRY(note("make_shell " + origin.name));
        auto shell = std::make_unique<FakeShell>(*this);
        wait("make_shell " + origin.name, [handlers](const Status& status) {
            if (status) {
                handlers.on_ready();
            } else {
                handlers.on_end(status.error().message);
            }
        });
        return shell;
    }
    Made restore_snapshot(const std::string& folder, StartRequest request,
                          Handlers handlers) override {
        return make("restore_snapshot " + folder.substr(folder.rfind('/') + 1), request.name,
                    std::move(handlers));
    }
    Made adopt(const std::string& name, std::map<std::string, OwnFd>,
               const supervisor::SandboxSpec&, Handlers handlers) override {
        return make("adopt", name, std::move(handlers));
    }

    // Lets the oldest of what waits succeed or fail; turns the loop so that it arrives.
    void let(const Status& status = {}) {
        ASSERT_FALSE(pending.empty());
        auto next = std::move(pending.front());
        pending.pop_front();
        next.second(status);
        turn();
    }
    void let_all() {
        turn();
        while (!pending.empty()) {
            let();
        }
    }
    void turn() {
        for (int i = 0; i < 4; ++i) {
            ASSERT_TRUE(loop.run_once(Duration::zero()));
        }
    }
    Status note(const std::string& what) {
        log.push_back(what);
        if (const auto found = refuses.find(what); found != refuses.end()) {
            return fail(found->second);
        }
        return {};
    }
    void wait(std::string what, std::function<void(const Status&)> then) {
        pending.emplace_back(std::move(what), std::move(then));
    }
    Made make(const std::string& how, const std::string& name, LiveSandbox::Handlers handlers) {
        ANCHORHOLD_TRY(note(how + " " + name));
        auto sandbox = std::make_unique<FakeSandbox>(*this, name, std::move(handlers));
        wait(how + " " + name, [self = sandbox->self](const Status& status) {
            if (*self == nullptr) {
                return;
            }
            if (status) {
                (*self)->handlers.on_ready();
            } else {
                (*self)->end(status.error().message);
            }
        });
        return sandbox;
    }
    FakeSandbox* find(const std::string& name) {
        for (FakeSandbox* each : alive) {
            if (each->name == name && !each->ended) {
                return each;
            }
        }
        return nullptr;
    }

    EventLoop& loop;
    std::map<std::string, TemplateInfo> templates;
    std::map<std::string, std::string> refuses;  // what is asked for -> error at once
    std::vector<std::string> log;
    std::deque<std::pair<std::string, std::function<void(const Status&)>>> pending;
    std::vector<FakeSandbox*> alive;
    size_t shells = 0;
};

inline FakeSandbox::FakeSandbox(FakeEngine& its_engine, std::string its_name, Handlers its_handlers)
    : engine(its_engine), name(std::move(its_name)), handlers(std::move(its_handlers)) {
    engine.alive.push_back(this);
}

inline FakeSandbox::~FakeSandbox() {
    *self = nullptr;
    std::erase(engine.alive, this);
}

inline Result<OwnFd> FakeSandbox::open_exec_stream() {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM));
    ANCHORHOLD_TRY(sys::write_all(theirs.get(), "guest of " + name));
    return std::move(ours);
}

inline void FakeSandbox::count_streams(std::function<void(const Result<uint64_t>&)> answer) {
    answer(streams);
}

inline void FakeSandbox::snapshot(const std::string& folder, Done done) {
    FileSteps steps;
    ASSERT_TRUE(steps.make_folder(folder));
    begin("snapshot", std::move(done));
}

inline void FakeSandbox::begin(const std::string& what, Done done) {
    if (const Status refused = engine.note(what + " " + name); !refused) {
        done(refused);
        return;
    }
    engine.wait(what + " " + name, [held = self, done = std::move(done)](const Status& status) {
        if (*held != nullptr) {
            done(status);
        }
    });
}

inline void FakeSandbox::fork(std::vector<StartRequest> children,
                              std::vector<Handlers> its_handlers, OnForked on_forked) {
    std::vector<std::string> names;
    for (const StartRequest& child : children) {
        names.push_back(child.name);
    }
    begin("fork", [this, names, its_handlers, on_forked](const Status& status) {
        if (!status) {
            on_forked(tl::unexpected(status.error()));
            return;
        }
        std::vector<std::unique_ptr<LiveSandbox>> made;
        for (size_t i = 0; i < names.size(); ++i) {
            made.push_back(std::make_unique<FakeSandbox>(engine, names[i], its_handlers[i]));
        }
        on_forked(std::move(made));
    });
}

inline void FakeSandbox::destroy() {
    engine.loop.post([held = self] {
        if (*held != nullptr) {
            (*held)->end("");
        }
    });
}

inline void FakeSandbox::end(const std::string& error) {
    if (!std::exchange(ended, true)) {
        const auto on_end = handlers.on_end;
        on_end(error);
    }
}

inline FakeShell::FakeShell(FakeEngine& its_engine) : engine(its_engine) {
    ++engine.shells;
}
inline FakeShell::~FakeShell() {
    --engine.shells;
}

}  // namespace anchorhold::service
