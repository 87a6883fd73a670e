// Filling in the background: one at a time, in turns, within limits, with rests.
#include "supervisor/service/pools.h"

#include "service_fixture.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

class PoolsTest : public ServiceFixture {
  protected:
    // "parked/shells" of a template.
    std::string waiting(const std::string& name = "python") {
        const auto view = pools->find(name);
        return view ? std::to_string(view->parked) + "/" + std::to_string(view->shells) : "none";
    }
    void set(uint32_t parked, uint32_t shells, const std::string& name = "python") {
        const auto view = pools->set(name, {parked, shells});
        ASSERT_TRUE(view) << view.error().message;
        engine.turn();
    }
};

TEST_F(PoolsTest, one_is_made_at_a_time_until_the_target_stands) {
    set(2, 1);
    EXPECT_EQ(engine.pending.size(), 1U);
    engine.let();
    EXPECT_EQ(waiting(), "1/0");
    EXPECT_EQ(engine.pending.size(), 1U);
    engine.let();
    engine.let();
    EXPECT_EQ(waiting(), "2/1");
    EXPECT_TRUE(engine.pending.empty());
}

TEST_F(PoolsTest, longest_waiting_is_claimed_first_and_replaced) {
    set(2, 0);
    engine.let();
    FakeSandbox* const first = engine.find("python");
    engine.let();
    HeldSandbox claimed = pools->claim_parked("python");
    EXPECT_EQ(claimed.sandbox.get(), first);
    engine.turn();
    EXPECT_EQ(engine.pending.size(), 1U) << "no other is made";
    EXPECT_EQ(pools->find("python")->claimed, 1U);
}

TEST_F(PoolsTest, filling_rests_as_long_as_it_worked) {
    set(2, 0);
    clock.advance(100ms);
    engine.let();
    EXPECT_TRUE(engine.pending.empty()) << "no rest after 100 ms of work";
    pass(99ms);
    EXPECT_TRUE(engine.pending.empty());
    pass(2ms);
    EXPECT_EQ(engine.pending.size(), 1U);
}

TEST_F(PoolsTest, nothing_is_made_while_somebody_waits_for_a_start_nor_shortly_after) {
    pools->begin_foreground();
    set(1, 0);
    pass(1s);
    EXPECT_TRUE(engine.pending.empty());
    pools->end_foreground();
    pass(Pools::kQuiet - 1ms);
    EXPECT_TRUE(engine.pending.empty());
    pass(2ms);
    EXPECT_EQ(engine.pending.size(), 1U);
}

TEST_F(PoolsTest, starts_that_never_cease_do_not_starve_it) {
    pools->begin_foreground();
    set(2, 0);
    for (int i = 0; i < 30 && engine.pending.empty(); ++i) {
        pass(Pools::kQuiet);
    }
    ASSERT_EQ(engine.pending.size(), 1U);
    engine.let();
    EXPECT_TRUE(engine.pending.empty()) << "the next one does not yield";
    for (int i = 0; i < 30 && engine.pending.empty(); ++i) {
        pass(Pools::kQuiet);
    }
    EXPECT_EQ(engine.pending.size(), 1U);
}

TEST_F(PoolsTest, failures_wait_ever_longer) {
    set(1, 0);
    for (const Duration wait : {Duration(1s), Duration(2s), Duration(4s)}) {
        engine.let(fail("no space"));
        EXPECT_EQ(pools->find("python")->last_error, "no space");
        pass(wait - 10ms);
        EXPECT_TRUE(engine.pending.empty());
        pass(20ms);
        ASSERT_EQ(engine.pending.size(), 1U);
    }
    engine.let();
    EXPECT_EQ(pools->find("python")->last_error, "");
    EXPECT_EQ(pool_backoff(100), Duration(60s));
}

TEST_F(PoolsTest, refusal_at_once_waits_as_well) {
    engine.refuses["park python"] = "no such file";
    set(1, 0);
    EXPECT_EQ(pools->find("python")->last_error, "no such file");
    pass(900ms);
    EXPECT_EQ(engine.log.size(), 1U);
    pass(200ms);
    EXPECT_EQ(engine.log.size(), 2U);
}

TEST_F(PoolsTest, memory_of_parked_guests_is_bounded) {
    end();
    limits.max_parked_bytes = uint64_t{600} << 20;  // of 256 MiB each
    begin();
    set(4, 0);
    engine.let_all();
    EXPECT_EQ(waiting(), "2/0");
    EXPECT_EQ(pools->find("python")->limit, "parked guests may take 600 MiB");
}

TEST_F(PoolsTest, host_keeps_its_memory) {
    available = uint64_t{600} << 20;  // 512 MiB floor and one of 256 MiB do not fit
    set(1, 0);
    EXPECT_TRUE(engine.pending.empty());
    EXPECT_EQ(pools->find("python")->limit, "this host has 600 MiB of memory left");
    available = uint64_t{2} << 30;
    pass(1100ms);
    EXPECT_EQ(engine.pending.size(), 1U);
}

TEST_F(PoolsTest, host_that_runs_short_gets_back_what_waits_and_no_more) {
    set(3, 1);
    engine.let_all();
    EXPECT_EQ(waiting(), "3/1");
    available = uint64_t{200} << 20;  // 312 MiB below the floor: two guests of 256 MiB
    pass(1100ms);
    EXPECT_EQ(waiting(), "1/1");
    EXPECT_EQ(engine.alive.size(), 1U);
    available = uint64_t{600} << 20;  // above the floor, and still no room for another
    pass(3s);
    EXPECT_EQ(waiting(), "1/1");
    EXPECT_TRUE(engine.pending.empty());
    available = uint64_t{2} << 30;
    pass(1100ms);
    EXPECT_EQ(engine.pending.size(), 1U) << "not filled again";
}

TEST_F(PoolsTest, shells_go_when_no_parked_guest_is_left) {
    set(1, 2);
    engine.let_all();
    available = 0;
    pass(1100ms);
    EXPECT_EQ(waiting(), "0/0");
    EXPECT_EQ(engine.shells, 0U);
}

TEST_F(PoolsTest, number_of_all_together_is_bounded) {
    end();
    limits.max_waiting = 3;
    begin();
    engine.templates["ruby"] = engine.templates["python"];
    engine.templates["ruby"].name = "ruby";
    set(0, 9);
    set(9, 0, "ruby");
    engine.let_all();
    EXPECT_EQ(pools->find("python")->shells + pools->find("ruby")->parked, 3U);
    EXPECT_GE(pools->find("ruby")->parked, 1U) << "turns do not go round";
}

TEST_F(PoolsTest, one_that_dies_waiting_is_replaced_after_a_wait) {
    set(1, 0);
    engine.let();
    engine.find("python")->end("killed");
    engine.turn();
    EXPECT_EQ(waiting(), "0/0");
    EXPECT_TRUE(engine.pending.empty());
    EXPECT_EQ(pools->find("python")->last_error, "a parked guest ended while it waited: killed");
    pass(1100ms);
    EXPECT_EQ(engine.pending.size(), 1U);
}

TEST_F(PoolsTest, smaller_target_ends_what_is_too_many) {
    set(3, 2);
    engine.let_all();
    set(1, 0);
    engine.turn();
    EXPECT_EQ(waiting(), "1/0");
    EXPECT_EQ(engine.alive.size(), 1U);
    EXPECT_EQ(engine.shells, 0U);
    set(0, 0);
    engine.turn();
    EXPECT_EQ(waiting(), "none");
    EXPECT_TRUE(engine.alive.empty());
}

TEST_F(PoolsTest, one_that_is_ready_too_late_is_ended) {
    set(1, 0);
    set(0, 0);
    engine.let_all();
    EXPECT_TRUE(engine.alive.empty());
}

TEST_F(PoolsTest, targets_survive_and_nothing_that_waited_does) {
    set(2, 0);
    engine.let_all();
    end();
    EXPECT_TRUE(engine.alive.empty()) << "a parked guest outlived its supervisor";
    begin();
    ASSERT_TRUE(pools->load());
    engine.turn();
    EXPECT_EQ(pools->find("python")->target.parked, 2U);
    EXPECT_EQ(waiting(), "0/0");
    EXPECT_EQ(engine.pending.size(), 1U);
}

TEST_F(PoolsTest, target_that_cannot_be_written_does_not_count) {
    set(1, 0);
    for (size_t step = 0; step < 4; ++step) {
        steps.fail_from(step);
        EXPECT_FALSE(pools->set("python", {5, 5}));
        steps.work();
        EXPECT_EQ(pools->find("python")->target.parked, 1U);
    }
}

TEST_F(PoolsTest, bad_targets_are_refused) {
    EXPECT_EQ(pools->set("ruby", {1, 0}).error().code, ENOENT);
    EXPECT_EQ(pools->set("python", {kMaxPoolTarget + 1, 0}).error().code, EINVAL);
    EXPECT_EQ(pools->set("python", {0, 0}).error().code, ENOENT);
}

}  // namespace
}  // namespace anchorhold::service
