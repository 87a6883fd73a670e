// The fastest way there is, and what is said when it was none of the faster ones.
#include "supervisor/service/starter.h"

#include "service_fixture.h"

namespace anchorhold::service {
namespace {

class StarterTest : public ServiceFixture {
  protected:
    void start(const std::string& template_name,
               std::optional<supervisor::MemoryBackend> memory = std::nullopt) {
        StartOrder order;
        order.memory_backend = memory;
        order.name = "amber";
        order.template_name = template_name;
        starter->start(std::move(order), [this](Result<Started> started) {
            result = started ? std::string(to_text(started->path)) : started.error().message;
            memory_backend = started ? started->memory_backend : std::nullopt;
            passed_over = started ? started->passed_over : "";
            if (started) {
                end_and_forget(*loop, std::move(started->held));
            }
        });
    }
    void fill(uint32_t parked, uint32_t shells) {
        ASSERT_TRUE(pools->set("python", {parked, shells}));
        for (uint32_t i = 0; i < parked + shells; ++i) {
            engine.turn();
            engine.let_all();
        }
    }
    std::string passed_over;
    std::optional<supervisor::MemoryBackend> memory_backend;
};

TEST_F(StarterTest, without_a_template_it_boots) {
    start("");
    engine.let_all();
    EXPECT_EQ(result, "cold");
    EXPECT_EQ(engine.log, (std::vector<std::string>{"cold amber"}));
    EXPECT_EQ(metrics.starts(StartPath::cold), 1U);
}

TEST_F(StarterTest, parked_one_is_claimed_first) {
    fill(1, 1);
    start("python");
    engine.let();
    EXPECT_EQ(result, "parked");
    EXPECT_EQ(metrics.starts(StartPath::parked), 1U);
    EXPECT_EQ(metrics.fallbacks(StartPath::parked), 0U);
}

TEST_F(StarterTest, parked_one_with_its_memory_in_another_way_is_left_to_others) {
    fill(1, 0);
    start("python", supervisor::MemoryBackend::kUserfaultfd);
    engine.let_all();
    EXPECT_EQ(result, "restore");
    EXPECT_EQ(passed_over, "");
    EXPECT_EQ(memory_backend, supervisor::MemoryBackend::kUserfaultfd);
    start("python", supervisor::MemoryBackend::kFile);
    engine.let_all();
    EXPECT_EQ(result, "parked");
    EXPECT_EQ(memory_backend, supervisor::MemoryBackend::kFile);
}

TEST_F(StarterTest, guest_that_boots_has_no_memory_backend) {
    start("");
    engine.let_all();
    EXPECT_EQ(memory_backend, std::nullopt);
}

TEST_F(StarterTest, empty_pool_is_a_restore_and_says_so) {
    start("python");
    engine.let_all();
    EXPECT_EQ(result, "restore");
    EXPECT_EQ(passed_over, "");
    EXPECT_EQ(metrics.fallbacks(StartPath::parked), 1U);
    EXPECT_EQ(metrics.fallbacks(StartPath::shell), 1U);
    EXPECT_EQ(metrics.starts(StartPath::restore), 1U);
}

TEST_F(StarterTest, shell_is_used_when_none_is_parked) {
    fill(0, 1);
    start("python");
    engine.let_all();
    EXPECT_EQ(result, "shell");
}

TEST_F(StarterTest, every_way_that_fails_leads_to_the_next) {
    fill(1, 1);
    engine.refuses["claim amber"] = "no claim";
    engine.refuses["shell amber"] = "no shell";
    start("python");
    engine.let(fail("half way"));  // of the restore
    engine.let_all();              // of the boot
    EXPECT_EQ(result, "cold");
    EXPECT_EQ(passed_over, "parked: no claim; shell: no shell; restore: half way");
    EXPECT_EQ(engine.find("amber"), nullptr) << "one that failed lives on";
}

TEST_F(StarterTest, parked_one_that_dies_while_it_is_claimed_is_passed_over) {
    fill(1, 0);
    start("python");
    engine.find("amber")->end("gone");
    engine.let_all();
    EXPECT_EQ(result, "restore");
    EXPECT_EQ(passed_over, "parked: gone");
}

TEST_F(StarterTest, last_failure_is_the_answer) {
    engine.refuses["restore amber"] = "no restore";
    engine.refuses["cold amber"] = "no memory";
    start("python");
    EXPECT_EQ(result, "restore: no restore; cold: no memory");
    start("");
    EXPECT_EQ(result, "no memory");
    start("ruby");
    EXPECT_EQ(result, "there is no template 'ruby'");
}

TEST_F(StarterTest, what_was_claimed_is_never_claimed_again) {
    fill(2, 0);
    start("python");
    engine.let_all();
    start("python");
    engine.let_all();
    std::vector<std::string> claims;
    for (const std::string& line : engine.log) {
        if (line.starts_with("claim")) {
            claims.push_back(line);
        }
    }
    EXPECT_EQ(claims.size(), 2U);
    EXPECT_EQ(metrics.starts(StartPath::parked), 2U);
}

}  // namespace
}  // namespace anchorhold::service
