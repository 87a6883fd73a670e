// Engine, pools, starter and sandboxes over a clock that a test turns.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fakes/manual_clock.h"
#include "faulty_steps.h"
#include "supervisor/service/sandboxes.h"
#include "temporary_folder.h"
// Its tests' macros come first.
#include "fake_engine.h"

namespace anchorhold::service {

// What is kept outlives the supervisor that keeps it.
class FakeKeeping final : public Keeping {
  public:
    Status hold(const std::string& sandbox, const std::vector<KeptDescriptor>& kept) override {
        if (refuse) {
            return fail("the keeper is full");
        }
        auto& roles = held[sandbox];
        for (const KeptDescriptor& each : kept) {
            roles[each.role] = sys::dup_cloexec(each.fd).value();
        }
        return {};
    }
    void drop(const std::string& sandbox) override { held.erase(sandbox); }
    Result<std::vector<std::string>> list() override {
        std::vector<std::string> names;
        for (const auto& [name, roles] : held) {
            names.push_back(name);
        }
        return names;
    }
    Result<std::map<std::string, OwnFd>> take(const std::string& sandbox) override {
        std::map<std::string, OwnFd> copies;
        for (const auto& [role, fd] : held[sandbox]) {
            copies[role] = sys::dup_cloexec(fd.get()).value();
        }
        return copies;
    }

    std::map<std::string, std::map<std::string, OwnFd>> held;
    bool refuse = false;
};

// Windows for the policy "one", with a log each, which only one at a time can have: the next one is
// refused until the last is destroyed. Closing one takes until let_close().
class FakeWindows final : public Windows {
  public:
    class Window final : public SandboxWindow {
      public:
        Window(FakeWindows& all, std::string of) : windows(all), sandbox(std::move(of)) {}
        ~Window() override { windows.open_.erase(sandbox); }
        Result<supervisor::SandboxParts> parts() override { return supervisor::SandboxParts(); }
        Result<std::optional<proto::ControlRequest>> take_channels(
            std::vector<supervisor::GuestChannel>) override {
            return std::nullopt;
        }
        [[nodiscard]] std::vector<KeptDescriptor> descriptors() const override { return {}; }
        Result<uint64_t> command_begins(const StatedCommand&) override { return 1; }
        void command_ended(uint64_t, std::string_view, Duration) override {}
        void close(const std::string&, std::function<void()> done) override {
            windows.closing_.push_back(std::move(done));
        }
        [[nodiscard]] std::string shut_because() const override { return {}; }

        FakeWindows& windows;
        std::string sandbox;
    };

    Result<std::unique_ptr<SandboxWindow>> open(const WindowOrder& order) override {
        if (order.policies != std::vector<std::string>{"one"}) {
            return fail("there is no such policy here", ENOSYS);
        }
        if (!open_.insert(order.sandbox).second) {
            return fail("another writer has the log of " + order.sandbox, EAGAIN);
        }
        return std::make_unique<Window>(*this, order.sandbox);
    }
    Result<std::unique_ptr<SandboxWindow>> adopt(const WindowOrder& order,
                                                 std::map<std::string, OwnFd>&) override {
        return open(order);
    }
    void let_close() {
        for (const auto& done : std::exchange(closing_, {})) {
            done();
        }
    }
    [[nodiscard]] size_t closing() const { return closing_.size(); }

  private:
    std::set<std::string> open_;
    std::vector<std::function<void()>> closing_;
};

class ServiceFixture : public testing::Test {
  protected:
    ServiceFixture() {
        TemplateInfo python;
        python.name = "python";
        python.image = "debian";
        python.cpus = 2;
        python.memory_bytes = uint64_t{256} << 20;
        python.disk_bytes = supervisor::kDefaultDiskBytes;
        engine.templates["python"] = python;
        begin();
    }
    ~ServiceFixture() override { end(); }

    // A supervisor's life.
    void begin() {
        auto opened = RecordStore::open(folder.path() + "/sandboxes", steps);
        ASSERT_TRUE(opened) << opened.error().message;
        store = std::move(*opened);
        pools = std::make_unique<Pools>(Pools::Parts{*loop, engine, metrics, steps,
                                                     folder.path() + "/pools.json", limits,
                                                     [this] { return available; }});
        starter = std::make_unique<Starter>(*loop, engine, *pools, metrics);
        sandboxes = std::make_unique<Sandboxes>(Sandboxes::Parts{
            *loop, engine, *starter, *pools, *store, keeping, windows, metrics, [] { return 1; }});
        ASSERT_TRUE(sandboxes->recover());
    }
    // It goes without a word, as kill -9 makes it.
    void end() {
        if (sandboxes) {
            sandboxes->let_go_all();
        }
        sandboxes.reset();
        starter.reset();
        pools.reset();
        store.reset();
        engine.pending.clear();
        engine.turn();
    }

    // The last result's text: a state, or an error.
    Sandboxes::OnView told() {
        result = "nothing";
        return [this](const Result<SandboxView>& view) {
            result = view ? std::string(to_text(view->record.state)) : view.error().message;
            code = view ? 0 : view.error().code;
        };
    }
    void create(const std::string& name, uint32_t idle_seconds = 0,
                std::vector<std::string> policies = {}) {
        CreateRequest request;
        request.policies = std::move(policies);
        request.name = name;
        request.idle_seconds = idle_seconds;
        sandboxes->create(request, told());
        engine.let_all();
        ASSERT_EQ(result, "running");
    }
    std::string state(const std::string& name) {
        const auto view = sandboxes->find(name);
        return view ? std::string(to_text(view->record.state)) : "none";
    }
    void pass(Duration time) {
        clock.advance(time);
        engine.turn();
    }

    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
    FakeEngine engine{*loop};
    Metrics metrics;
    FaultySteps steps;
    PoolLimits limits;
    uint64_t available = uint64_t{64} << 30;
    FakeKeeping keeping;
    FakeWindows windows;
    supervisor::TemporaryFolder folder;
    std::unique_ptr<RecordStore> store;
    std::unique_ptr<Pools> pools;
    std::unique_ptr<Starter> starter;
    std::unique_ptr<Sandboxes> sandboxes;
    std::string result;
    int code = 0;
};

}  // namespace anchorhold::service
