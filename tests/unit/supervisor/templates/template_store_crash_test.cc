// A builder that dies between any two of its steps leaves the older template or the newer one.
#include <gtest/gtest.h>

#include <map>

#include "base/check.h"
#include "crash_points.h"
#include "made_template.h"

namespace anchorhold::supervisor {
namespace {

using Names = std::set<std::string>;

// Counts how often each outcome was seen.
using Outcomes = std::map<std::string, size_t>;

TEST(TemplateStoreCrash, replacing_leaves_old_or_new_at_every_system_call) {
    const StoreHome home;
    Outcomes seen;
    for (size_t call = 0;; ++call) {
        if (home.mark_of("one") != "old") {
            ASSERT_TRUE(home.make("one", "old"));
        }
        const Died died =
            run_until_call(call, [&] { ANCHORHOLD_CHECK(home.make("one", "new").has_value()); });
        const auto mark = home.mark_of("one");
        ASSERT_TRUE(mark) << "killed before call " << call << ": " << mark.error().message;
        ASSERT_TRUE(*mark == "old" || *mark == "new") << *mark;
        ASSERT_EQ(home.store().list().value().size(), 1U) << call;
        ++seen[*mark];
        if (died == Died::kAfterwards) {
            break;
        }
        // Whoever begins next cleans up.
        ASSERT_TRUE(home.store().begin("next"));
        ASSERT_EQ(home.entries(), Names{"one"}) << call;
    }
    EXPECT_GT(seen["old"], 20U);
    EXPECT_GT(seen["new"], 1U);
}

TEST(TemplateStoreCrash, first_of_a_name_is_there_whole_or_not_at_all) {
    const StoreHome home;
    Outcomes seen;
    for (size_t call = 0;; ++call) {
        const Died died =
            run_until_call(call, [&] { ANCHORHOLD_CHECK(home.make("one", "new").has_value()); });
        const auto listed = home.store().list();
        ASSERT_TRUE(listed) << call;
        const bool there = std::filesystem::exists(home.templates() + "/one");
        ASSERT_EQ(listed->size(), there ? 1U : 0U) << call;
        if (there) {
            ASSERT_EQ(home.mark_of("one").value(), "new") << call;
            ASSERT_TRUE(home.store().remove("one"));
        }
        ++seen[there ? "new" : "none"];
        if (died == Died::kAfterwards) {
            break;
        }
        ASSERT_TRUE(home.store().begin("next"));
        ASSERT_EQ(home.entries(), Names{}) << call;
    }
    EXPECT_GT(seen["none"], 20U);
    EXPECT_GT(seen["new"], 0U);
}

TEST(TemplateStoreCrash, removing_leaves_it_whole_or_gone_at_every_system_call) {
    const StoreHome home;
    Outcomes seen;
    for (size_t call = 0;; ++call) {
        if (home.mark_of("one") != "old") {
            ASSERT_TRUE(home.make("one", "old"));
        }
        const Died died =
            run_until_call(call, [&] { ANCHORHOLD_CHECK(home.store().remove("one").has_value()); });
        const bool there = std::filesystem::exists(home.templates() + "/one");
        ASSERT_EQ(home.store().list().value().size(), there ? 1U : 0U) << call;
        if (there) {
            ASSERT_EQ(home.mark_of("one").value(), "old") << call;
        }
        ++seen[there ? "old" : "gone"];
        if (died == Died::kAfterwards) {
            break;
        }
        ASSERT_TRUE(home.store().begin("next"));
        ASSERT_EQ(home.entries(), there ? Names{"one"} : Names{}) << call;
    }
    EXPECT_GT(seen["old"], 2U);
    EXPECT_GT(seen["gone"], 2U);
}

}  // namespace
}  // namespace anchorhold::supervisor
