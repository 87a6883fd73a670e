// Freeze and Resume against parts that only write down what they were asked for.
#include "guest-init/uniqueness/stillness.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "fakes/manual_clock.h"

namespace anchorhold::guest_init {
namespace {

using Log = std::vector<std::string>;

class FakeFreezer final : public Freezer {
  public:
    explicit FakeFreezer(Log& log) : log_(log) {}

    Status freeze(Frozen frozen) override {
        log_.push_back("freeze");
        if (fails) {
            return fail("no freezer");
        }
        if (at_once) {
            frozen();
        } else {
            waiting = std::move(frozen);
        }
        return {};
    }
    Status thaw() override {
        log_.push_back("thaw");
        waiting = {};
        return fails ? Status(fail("no freezer")) : Status();
    }

    bool at_once = true;
    bool fails = false;
    Frozen waiting;

  private:
    Log& log_;
};

class FakeIdentity final : public Identity {
  public:
    explicit FakeIdentity(Log& log) : log_(log) {}

    Status add_entropy(std::span<const std::byte> bytes) override {
        return step("entropy of " + std::to_string(bytes.size()));
    }
    Status set_wall_clock(uint64_t nanoseconds) override {
        return step("clock " + std::to_string(nanoseconds));
    }
    Status set_machine_id(std::string_view id) override {
        return step("machine-id " + std::string(id));
    }
    Status set_boot_id(std::string_view id) override { return step("boot_id " + std::string(id)); }
    Status set_host_name(std::string_view name) override {
        return step("host name " + std::string(name));
    }
    Status set_generation(uint64_t generation) override {
        current = generation;
        return step("generation " + std::to_string(generation));
    }
    Status signal_hooks() override { return step("hooks"); }
    [[nodiscard]] uint64_t generation() const override { return current; }

    std::string fails_at;
    uint64_t current = 1;

  private:
    Status step(std::string what) {
        log_.push_back(std::move(what));
        return !fails_at.empty() && log_.back().starts_with(fails_at) ? Status(fail("broken"))
                                                                      : Status();
    }
    Log& log_;
};

class StillnessTest : public testing::Test {
  protected:
    std::optional<Status> freeze(bool close_streams = false, bool drop_caches = false) {
        proto::Freeze request;
        request.set_close_streams(close_streams);
        request.set_drop_caches(drop_caches);
        answered.reset();
        stillness.freeze(request, [this](const Status& status) { answered = status; });
        return answered;
    }
    void turn() { ASSERT_TRUE(loop->run_once(std::chrono::milliseconds(0))); }
    static proto::Resume whole() {
        proto::Resume request;
        request.set_entropy(std::string(64, 'e'));
        request.set_wall_clock_ns(1'700'000'000'000'000'000);
        request.set_generation(2);
        request.set_host_name("seven");
        request.set_machine_id("0123456789abcdef0123456789abcdef");
        request.set_boot_id("01234567-89ab-4def-8123-456789abcdef");
        return request;
    }

    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
    Log log;
    FakeFreezer freezer{log};
    FakeIdentity identity{log};
    std::function<void()> held;
    Status dropped{};
    std::optional<Status> answered;
    Stillness stillness{*loop,
                        {.freezer = &freezer,
                         .identity = identity,
                         .hold_streams =
                             [this](std::function<void()> then) {
                                 log.push_back("hold");
                                 held = std::move(then);
                             },
                         .release_streams = [this] { log.push_back("release"); },
                         .drop_caches =
                             [this] {
                                 log.push_back("drop");
                                 return dropped;
                             }}};
};

TEST_F(StillnessTest, freeze_ends_streams_before_and_drops_caches_after) {
    EXPECT_FALSE(freeze(true, true));
    EXPECT_EQ(log, Log{"hold"});
    held();
    ASSERT_TRUE(answered && answered->has_value());
    EXPECT_EQ(log, (Log{"hold", "freeze", "drop"}));
}

TEST_F(StillnessTest, freeze_is_answered_once_the_agent_stands_still) {
    freezer.at_once = false;
    EXPECT_FALSE(freeze());
    freezer.waiting();
    ASSERT_TRUE(answered && answered->has_value());
    EXPECT_EQ(log, Log{"freeze"});
}

TEST_F(StillnessTest, agent_that_goes_on_is_told_and_thawed_after_two_seconds) {
    freezer.at_once = false;
    EXPECT_FALSE(freeze());
    clock.advance(Stillness::kPatience);
    turn();
    ASSERT_TRUE(answered && !answered->has_value());
    EXPECT_EQ(answered->error().message, "freeze: the agent did not stand still within 2 s");
    EXPECT_EQ(log, (Log{"freeze", "thaw", "release"}));
}

TEST_F(StillnessTest, streams_that_do_not_end_are_told_and_late_ones_change_nothing) {
    EXPECT_FALSE(freeze(true));
    clock.advance(Stillness::kPatience);
    turn();
    ASSERT_TRUE(answered && !answered->has_value());
    EXPECT_EQ(answered->error().message, "freeze: streams to the host did not end within 2 s");
    held();
    EXPECT_EQ(log, (Log{"hold", "thaw", "release"}));
}

TEST_F(StillnessTest, cache_that_cannot_be_dropped_thaws) {
    dropped = fail("syncfs: Input/output error");
    freeze(false, true);
    ASSERT_TRUE(answered && !answered->has_value());
    EXPECT_EQ(log, (Log{"freeze", "drop", "thaw", "release"}));
    EXPECT_FALSE(stillness.resume(whole()));
}

TEST_F(StillnessTest, second_freeze_changes_nothing_also_where_it_fails) {
    freeze();
    ASSERT_TRUE(freeze()->has_value());
    dropped = fail("disk");
    EXPECT_FALSE(freeze(false, true)->has_value());
    EXPECT_EQ(log, (Log{"freeze", "freeze", "freeze", "drop"}));
    EXPECT_TRUE(stillness.resume(whole()));
}

TEST_F(StillnessTest, freeze_during_another_is_refused) {
    freezer.at_once = false;
    freeze();
    std::optional<Status> second;
    stillness.freeze(proto::Freeze(), [&](const Status& status) { second = status; });
    ASSERT_TRUE(second && !second->has_value());
    EXPECT_FALSE(answered);
}

TEST_F(StillnessTest, resume_becomes_another_before_it_thaws) {
    freeze();
    log.clear();
    ASSERT_TRUE(stillness.resume(whole()));
    EXPECT_EQ(log, (Log{"entropy of 64", "clock 1700000000000000000",
                        "machine-id 0123456789abcdef0123456789abcdef",
                        "boot_id 01234567-89ab-4def-8123-456789abcdef", "host name seven",
                        "generation 2", "hooks", "thaw", "release"}));
}

TEST_F(StillnessTest, plain_resume_only_thaws) {
    freeze();
    log.clear();
    ASSERT_TRUE(stillness.resume(proto::Resume()));
    EXPECT_EQ(log, (Log{"thaw", "release"}));
}

TEST_F(StillnessTest, resume_without_generation_signals_nobody) {
    freeze();
    log.clear();
    proto::Resume request;
    request.set_entropy(std::string(32, 'e'));
    ASSERT_TRUE(stillness.resume(request));
    EXPECT_EQ(log, (Log{"entropy of 32", "thaw", "release"}));
}

TEST_F(StillnessTest, bad_field_changes_nothing_and_leaves_the_agent_frozen) {
    freeze();
    log.clear();
    proto::Resume request = whole();
    request.set_boot_id("nonsense");
    EXPECT_FALSE(stillness.resume(request));
    EXPECT_EQ(log, Log{});
    EXPECT_TRUE(stillness.resume(whole()));
}

TEST_F(StillnessTest, fields_for_a_running_agent_are_refused) {
    EXPECT_FALSE(stillness.resume(whole()));
    EXPECT_EQ(log, Log{});
    EXPECT_TRUE(stillness.resume(proto::Resume()));
}

TEST_F(StillnessTest, any_step_that_fails_keeps_the_agent_frozen_for_ever) {
    for (const char* step :
         {"entropy", "clock", "machine-id", "boot_id", "host name", "generation", "hooks"}) {
        Log steps;
        FakeFreezer still(steps);
        FakeIdentity broken(steps);
        broken.fails_at = step;
        Stillness one(*loop, {.freezer = &still,
                              .identity = broken,
                              .hold_streams = [](const std::function<void()>& then) { then(); },
                              .release_streams = [] {},
                              .drop_caches = [] { return Status(); }});
        one.freeze(proto::Freeze(), [](const Status&) {});
        EXPECT_FALSE(one.resume(whole())) << step;
        EXPECT_TRUE(steps.back().starts_with(step)) << steps.back();
        broken.fails_at.clear();
        EXPECT_FALSE(one.resume(proto::Resume())) << step;
        one.freeze(proto::Freeze(), [](const Status& status) { EXPECT_TRUE(status); });
        proto::Resume again = whole();
        again.set_generation(99);
        EXPECT_FALSE(one.resume(again)) << step;
        EXPECT_EQ(std::count(steps.begin(), steps.end(), "thaw"), 0) << step;
    }
}

TEST_F(StillnessTest, plain_resume_calls_a_freeze_off) {
    freezer.at_once = false;
    freeze();
    ASSERT_TRUE(stillness.resume(proto::Resume()));
    ASSERT_TRUE(answered && !answered->has_value());
    EXPECT_EQ(log, (Log{"freeze", "thaw", "release"}));
    clock.advance(Stillness::kPatience);
    turn();
    EXPECT_EQ(log.size(), 3U);
}

TEST_F(StillnessTest, guest_without_cgroups_refuses_to_freeze) {
    Stillness none(*loop, {.identity = identity,
                           .hold_streams = [](const std::function<void()>& then) { then(); },
                           .release_streams = [] {},
                           .drop_caches = [] { return Status(); }});
    std::optional<Status> told;
    none.freeze(proto::Freeze(), [&](const Status& status) { told = status; });
    ASSERT_TRUE(told && !told->has_value());
}

}  // namespace
}  // namespace anchorhold::guest_init
