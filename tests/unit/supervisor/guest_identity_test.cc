// Who a copy is to be: new each time, and in the forms that a guest accepts.
#include "supervisor/guest_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <x86intrin.h>

#include <chrono>
#include <set>

namespace anchorhold::supervisor {
namespace {

using testing::MatchesRegex;

uint64_t now_ns() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
}

TEST(GuestIdentity, fresh_one_has_the_forms_that_guests_take) {
    const GuestIdentity identity = fresh_identity("copy-7").value();
    EXPECT_EQ(identity.host_name, "copy-7");
    EXPECT_THAT(identity.machine_id, MatchesRegex("[0-9a-f]{32}"));
    EXPECT_THAT(
        identity.boot_id,
        MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    EXPECT_GT(identity.generation, 1U);  // a cold boot is 1
}

TEST(GuestIdentity, no_two_have_an_id_in_common) {
    std::set<std::string> ids;
    constexpr size_t kDrawn = 1000;
    for (size_t i = 0; i < kDrawn; ++i) {
        const GuestIdentity identity = fresh_identity("").value();
        ids.insert(identity.machine_id);
        ids.insert(identity.boot_id);
    }
    EXPECT_EQ(ids.size(), 2 * kDrawn);
}

TEST(GuestIdentity, generation_follows_the_clock_closely) {
    constexpr uint64_t kRandomPart = 65536;  // ns
    const uint64_t before = now_ns();
    const uint64_t generation = fresh_identity("").value().generation;
    EXPECT_GE(generation + kRandomPart, before);
    EXPECT_LE(generation, now_ns() + kRandomPart);
}

TEST(GuestIdentity, resume_carries_all_of_it_with_entropy_and_the_time) {
    const GuestIdentity identity = fresh_identity("host").value();
    const uint64_t before = now_ns();
    const auto request = resume_as(identity, {}).value();
    ASSERT_TRUE(request.has_resume());
    const proto::Resume& resume = request.resume();
    EXPECT_EQ(resume.entropy().size(), 64U);
    EXPECT_GE(resume.wall_clock_ns(), before);
    EXPECT_LE(resume.wall_clock_ns(), now_ns());
    EXPECT_EQ(resume.generation(), identity.generation);
    EXPECT_EQ(resume.host_name(), "host");
    EXPECT_EQ(resume.machine_id(), identity.machine_id);
    EXPECT_EQ(resume.boot_id(), identity.boot_id);
}

TEST(GuestIdentity, moment_of_the_clock_is_told_by_a_guests_tsc_that_is_known) {
    const GuestIdentity identity = fresh_identity("").value();
    EXPECT_EQ(resume_as(identity, {}).value().resume().wall_clock_tsc(), 0U);
    Timeline timeline;
    timeline.guest_tsc_offset = uint64_t{0} - 1000;
    timeline.tsc_khz = 2'000'000;
    const uint64_t before = __rdtsc();
    const proto::Resume resume = resume_as(identity, timeline).value().resume();
    EXPECT_GE(resume.wall_clock_tsc(), before - 1000);
    EXPECT_LE(resume.wall_clock_tsc(), __rdtsc() - 1000);
    EXPECT_EQ(resume.tsc_khz(), 2'000'000U);
}

TEST(GuestIdentity, entropy_is_drawn_for_each_resume) {
    const GuestIdentity identity = fresh_identity("").value();
    const std::string first = resume_as(identity, {}).value().resume().entropy();
    EXPECT_NE(first, resume_as(identity, {}).value().resume().entropy());
    EXPECT_GT(std::set<char>(first.begin(), first.end()).size(), 16U) << "bytes that are all alike";
}

TEST(GuestIdentity, thaw_changes_nothing_of_who_a_guest_is) {
    const proto::ControlRequest request = thaw();
    ASSERT_TRUE(request.has_resume());
    EXPECT_TRUE(request.resume().entropy().empty());
    EXPECT_EQ(request.resume().generation(), 0U);
    EXPECT_EQ(request.resume().wall_clock_ns(), 0U);
    EXPECT_TRUE(request.resume().machine_id().empty());
    EXPECT_TRUE(request.resume().boot_id().empty());
    EXPECT_TRUE(request.resume().host_name().empty());
}

}  // namespace
}  // namespace anchorhold::supervisor
