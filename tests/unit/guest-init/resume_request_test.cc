// The fields of a Resume as a table, and which of them are refused.
#include "guest-init/uniqueness/resume_request.h"

#include <gtest/gtest.h>

#include <string>

namespace anchorhold::guest_init {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

proto::Resume whole() {
    proto::Resume request;
    request.set_entropy(std::string(32, 'e'));
    request.set_wall_clock_ns(1'700'000'000 * kSecond);
    request.set_generation(8);
    request.set_host_name("agent-7.example");
    request.set_machine_id("0123456789abcdef0123456789abcdef");
    request.set_boot_id("01234567-89ab-4def-8123-456789abcdef");
    return request;
}

bool accepts(const proto::Resume& request) {
    return check_resume(request, 7).has_value();
}

TEST(ResumeRequest, empty_one_is_plain_and_fine) {
    EXPECT_TRUE(is_plain(proto::Resume()));
    EXPECT_TRUE(accepts(proto::Resume()));
}

TEST(ResumeRequest, whole_one_is_fine) {
    EXPECT_FALSE(is_plain(whole()));
    EXPECT_TRUE(accepts(whole()));
}

TEST(ResumeRequest, each_field_alone_is_not_plain) {
    proto::Resume requests[6];
    requests[0].set_entropy("e");
    requests[1].set_wall_clock_ns(1);
    requests[2].set_generation(1);
    requests[3].set_host_name("h");
    requests[4].set_machine_id("m");
    requests[5].set_boot_id("b");
    for (const proto::Resume& request : requests) {
        EXPECT_FALSE(is_plain(request)) << request.SerializeAsString();
    }
}

TEST(ResumeRequest, entropy_has_32_to_512_bytes) {
    proto::Resume request;
    for (const size_t size : {1, 31, 513, 4096}) {
        request.set_entropy(std::string(size, 'e'));
        EXPECT_FALSE(accepts(request)) << size;
    }
    for (const size_t size : {32, 33, 512}) {
        request.set_entropy(std::string(size, '\0'));
        EXPECT_TRUE(accepts(request)) << size;
    }
}

TEST(ResumeRequest, wall_clock_is_between_2000_and_2200) {
    proto::Resume request;
    for (const uint64_t clock :
         {uint64_t{1}, 946'684'800 * kSecond - 1, 7'258'118'400 * kSecond, UINT64_MAX}) {
        request.set_wall_clock_ns(clock);
        EXPECT_FALSE(accepts(request)) << clock;
    }
    for (const uint64_t clock : {946'684'800 * kSecond, 7'258'118'400 * kSecond - 1}) {
        request.set_wall_clock_ns(clock);
        EXPECT_TRUE(accepts(request)) << clock;
    }
}

TEST(ResumeRequest, wall_clock_counts_what_has_passed_on_the_way) {
    constexpr uint64_t kRead = 1'700'000'000 * kSecond;
    proto::Resume request;
    request.set_wall_clock_ns(kRead);
    EXPECT_EQ(wall_clock_at(request, 5'000'000), kRead) << "when it was read is not known";
    request.set_wall_clock_tsc(5'000'000);
    request.set_tsc_khz(2'500'000);
    EXPECT_EQ(wall_clock_at(request, 5'000'000), kRead);
    EXPECT_EQ(wall_clock_at(request, 5'000'000 + 2'500'000 + 5), kRead + 1'000'002);
    EXPECT_EQ(wall_clock_at(request, 5'000'000 + 60'000 * uint64_t{2'500'000}),
              kRead + 60 * kSecond);
    EXPECT_EQ(wall_clock_at(request, 5'000'000 + 60'001 * uint64_t{2'500'000}), kRead)
        << "not this TSC";
    EXPECT_EQ(wall_clock_at(request, 4'999'999), kRead) << "the future";
}

TEST(ResumeRequest, generation_is_another_and_comes_with_entropy) {
    proto::Resume request = whole();
    request.set_generation(7);
    EXPECT_FALSE(accepts(request));
    for (const uint64_t generation : {uint64_t{1}, uint64_t{6}, uint64_t{8}, UINT64_MAX}) {
        request.set_generation(generation);
        EXPECT_TRUE(accepts(request)) << generation;
    }
    request.clear_entropy();
    EXPECT_FALSE(accepts(request));
}

TEST(ResumeRequest, host_name_that_is_not_one_is_refused) {
    const std::string longest = std::string(63, 'a');
    proto::Resume request;
    for (const std::string& name :
         {std::string("-a"), std::string("a-"), std::string("a_b"), std::string("a b"),
          std::string("a\nb"), std::string("a\0b", 3), std::string("."), std::string("a."),
          std::string(".a"), std::string("a..b"), std::string("\xc3\xa4"), std::string("a/b"),
          longest + "a", longest + ".a"}) {
        request.set_host_name(name);
        EXPECT_FALSE(accepts(request)) << testing::PrintToString(name);
    }
    for (const std::string& name : {std::string("a"), std::string("A-1"), std::string("0.b.c"),
                                    longest, std::string(31, 'x') + "." + std::string(32, 'y')}) {
        request.set_host_name(name);
        EXPECT_TRUE(accepts(request)) << name;
    }
}

TEST(ResumeRequest, machine_id_that_is_not_one_is_refused) {
    proto::Resume request;
    for (const char* id :
         {"0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0",
          "0123456789ABCDEF0123456789abcdef", "0123456789abcdeg0123456789abcdef",
          "00000000000000000000000000000000", "0123456789abcdef0123456789abcde\n"}) {
        request.set_machine_id(id);
        EXPECT_FALSE(accepts(request)) << id;
    }
}

TEST(ResumeRequest, boot_id_that_is_not_one_is_refused) {
    proto::Resume request;
    for (const char* id :
         {"0123456789abcdef0123456789abcdef", "01234567-89ab-4def-8123-456789abcdeF",
          "01234567-89ab-4def-8123-456789abcde", "01234567-89ab-4def-8123-456789abcdef0",
          "0123456-789ab-4def-8123-456789abcdef", "00000000-0000-0000-0000-000000000000",
          "01234567-89ab-4def-8123-456789abcd\n\n"}) {
        request.set_boot_id(id);
        EXPECT_FALSE(accepts(request)) << id;
    }
}

}  // namespace
}  // namespace anchorhold::guest_init
