// Nothing is left on the host by templates and what starts from them: alone on it.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>

#include "vm/leftovers.h"
#include "vm/templates.h"

namespace anchorhold::vm_test {
namespace {

class WarmLeftovers : public testing::Test {
  protected:
    WarmLeftovers() {
        private_folder();
        templates_ = std::make_unique<Templates>();
        // The digest of the image is kept from one run to the next, on purpose.
        templates_->create("first", {"--quiet", "--image", "tiny", "-m", "64M", "--disk", "64M"});
        before_ = HostState::now();
    }

    std::unique_ptr<Templates> templates_;
    HostState before_;
};

TEST_F(WarmLeftovers, nothing_is_left_by_runs_of_every_outcome) {
    EXPECT_EQ(templates_->shell("first", "echo up").out, "up\n");
    EXPECT_EQ(templates_->shell("first", "sleep 1000 & exit 3").status, 3);
    EXPECT_EQ(templates_->run("first", {"sh", "-c", "sleep 1000"}, {"--timeout", "1s"}).status,
              124);
    EXPECT_EQ(templates_->run("first", {"/none"}).status, 127);
    EXPECT_EQ(leftovers(before_), "");
}

TEST_F(WarmLeftovers, nothing_is_left_by_a_killed_vmm_or_a_killed_cli) {
    for (const bool whole : {false, true}) {
        Running running(templates_->from("first", {"sh", "-c", "echo up; sleep 1000"}));
        ASSERT_TRUE(running.wait_for("up\n")) << running.output();
        if (whole) {
            running.signal(SIGKILL);
            EXPECT_EQ(running.wait(), 128 + SIGKILL);
        } else {
            const auto vmm = vmm_of(running.pid());
            ASSERT_TRUE(vmm.has_value());
            ASSERT_EQ(::kill(*vmm, SIGKILL), 0);
            EXPECT_EQ(running.wait(), 125) << running.output();
            EXPECT_NE(running.output().find("the VMM ended unexpectedly"), std::string::npos)
                << running.output();
        }
    }
    EXPECT_EQ(leftovers(before_), "");
}

TEST_F(WarmLeftovers, nothing_is_left_of_a_template_made_and_removed) {
    templates_->create("second", {"--quiet", "--image", "tiny", "-m", "64M", "--disk", "64M"});
    EXPECT_EQ(templates_->call({"template", "rm", "second"}).status, 0);
    EXPECT_EQ(leftovers(before_), "");
}

TEST_F(WarmLeftovers, builder_that_was_killed_leaves_nothing_that_the_next_one_does_not_sweep) {
    {
        Running builder(templates_->invocation(
            {"template", "create", "first", "--image", "tiny", "-m", "64M", "--disk", "64M"}));
        ASSERT_TRUE(builder.wait_for("writing memory down")) << builder.output();
        builder.signal(SIGKILL);
        EXPECT_EQ(builder.wait(), 128 + SIGKILL);
    }
    EXPECT_EQ(templates_->shell("first", "echo the older one").out, "the older one\n");
    templates_->create("next", {"--quiet", "--image", "tiny", "-m", "64M", "--disk", "64M"});
    EXPECT_EQ(templates_->call({"template", "rm", "next"}).status, 0);
    EXPECT_EQ(leftovers(before_), "");
}

}  // namespace
}  // namespace anchorhold::vm_test
