// Working sets as raw bytes: one form for each set, and nothing outside the memory.
#include "snapshot/working_set.h"

#include <gtest/gtest.h>

#include <string>

#include "base/sys.h"
#include "damage.h"
#include "snapshot/sealed.h"

namespace anchorhold::snapshot {
namespace {

constexpr Format kFormat{.kind = Kind::kWorkingSet, .version = 1, .max_payload = 1 << 20};

template <size_t N>
std::string sealed(const char (&payload)[N]) {
    return seal_payload(kFormat, std::string(payload, N - 1));
}

TEST(SealWorkingSet, ranges_are_these_bytes) {
    EXPECT_EQ(seal({}, 300), sealed("\xac\x02\0\0"));
    const WorkingSet set{.read = {{0, 1}, {2, 3}, {200, 100}}, .written = {{5, 1}}};
    EXPECT_EQ(seal(set, 300), sealed("\xac\x02\x03\0\0\0\x02\xc2\x01\x63\x01\x05\0"));
    EXPECT_EQ(open_working_set(seal(set, 300), 300).value(), set);
}

TEST(OpenWorkingSet, largest_memory_goes_through) {
    const uint64_t pages = uint64_t{1} << 33;
    const WorkingSet set{.read = {{0, pages}}, .written = {{pages - 1, 1}}};
    EXPECT_EQ(open_working_set(seal(set, pages), pages).value(), set);
}

TEST(OpenWorkingSet, damage_anywhere_is_refused) {
    const WorkingSet set{.read = {{1, 2}, {9, 300}}, .written = {{400, 1}}};
    expect_damage_refused([](std::string_view file) { return open_working_set(file, 512); },
                          seal(set, 512));
}

TEST(OpenWorkingSet, malformed_payloads_are_refused_with_the_reason) {
    const std::string number = "working set: malformed number";
    const std::string outside = "working set: a range ends outside the memory's 16 pages";
    const struct {
        const char* name;
        std::string file, message;
    } cases[] = {
        {"empty", sealed(""), number},
        {"number without end", sealed("\x10\0\x80"), number},
        {"number with a zero at its end", sealed("\x90\0\0\0"), number},
        {"number beyond 64 bits", sealed("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\0"), number},
        {"number of eleven bytes", sealed("\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\0"),
         number},
        {"another memory", sealed("\x11\0\0"),
         "working set: of a memory of 17 pages, this one has 16"},
        {"range missing", sealed("\x10\x01"), number},
        {"one range too few", sealed("\x10\x02\0\0\0"), number},
        {"too many ranges", sealed("\x10\x81\x80\x04"),
         "working set: 65537 ranges, the most is 65536"},
        {"range behind the end", sealed("\x10\x01\x10\0\0"), outside},
        {"range across the end", sealed("\x10\x01\x0f\x01\0"), outside},
        {"second range across the end", sealed("\x10\x02\x08\0\x05\x01\0"), outside},
        {"written range across the end", sealed("\x10\0\x01\x0f\x01"), outside},
        {"end that overflows", sealed("\x10\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0"),
         outside},
        {"bytes behind", sealed("\x10\0\0\0"), "working set: bytes behind its last range"},
    };
    for (const auto& test : cases) {
        const auto opened = open_working_set(test.file, 16);
        ASSERT_FALSE(opened) << test.name;
        EXPECT_EQ(opened.error().message, test.message) << test.name;
    }
}

TEST(ReadWorkingSet, reads_the_file) {
    const WorkingSet set{.read = {{3, 4}}, .written = {}};
    const OwnFd file = sys::memfd("set", 0).value();
    ASSERT_TRUE(sys::write_all(file.get(), seal(set, 16)));
    EXPECT_EQ(read_working_set(file.get(), 16).value(), set);
    EXPECT_FALSE(read_working_set(file.get(), 17));
}

TEST(AddRange, neighbours_become_one) {
    std::vector<PageRange> ranges;
    add_range(ranges, {1, 2});
    add_range(ranges, {3, 1});
    add_range(ranges, {5, 1});
    EXPECT_EQ(ranges, (std::vector<PageRange>{{1, 3}, {5, 1}}));
    EXPECT_EQ(count_pages(ranges), 4U);
}

TEST(AddRange, beyond_the_bound_closes_the_smallest_gaps_and_loses_no_page) {
    std::vector<PageRange> ranges;
    // Far from all others, then every second page.
    add_range(ranges, {0, 1});
    const uint64_t base = 1'000'000;
    for (uint64_t i = 0; i < 3 * kMaxRanges; ++i) {
        add_range(ranges, {base + 2 * i, 1});
        ASSERT_LE(ranges.size(), kMaxRanges);
    }
    EXPECT_EQ(ranges.front(), (PageRange{0, 1}));
    EXPECT_EQ(ranges[1].first, base);
    uint64_t pages = 0;
    uint64_t end = base;
    for (size_t i = 1; i < ranges.size(); ++i) {
        ASSERT_LE(ranges[i].first, end + 1);  // no added page lies in a gap
        end = ranges[i].first + ranges[i].count;
        pages += ranges[i].count;
    }
    EXPECT_EQ(end, base + 2 * (3 * kMaxRanges - 1) + 1);
    EXPECT_GE(pages, 3 * kMaxRanges);
    const uint64_t memory = base + 6 * kMaxRanges;
    const WorkingSet set{.read = ranges, .written = ranges};
    EXPECT_EQ(open_working_set(seal(set, memory), memory).value(), set);
}

TEST(CommonPages, ranges_that_overlap_are_cut_to_what_both_have) {
    const std::vector<PageRange> a = {{0, 4}, {10, 10}, {30, 1}};
    const std::vector<PageRange> b = {{2, 10}, {15, 2}, {18, 20}};
    EXPECT_EQ(common_pages(a, b),
              (std::vector<PageRange>{{2, 2}, {10, 2}, {15, 2}, {18, 2}, {30, 1}}));
    EXPECT_EQ(common_pages(a, b), common_pages(b, a));
}

TEST(CommonPages, sets_without_a_common_page_have_none) {
    const std::vector<PageRange> a = {{0, 4}};
    const std::vector<PageRange> b = {{4, 4}};
    EXPECT_TRUE(common_pages(a, b).empty());
    EXPECT_TRUE(common_pages(a, {}).empty());
    EXPECT_EQ(common_pages(a, a), a);
}

}  // namespace
}  // namespace anchorhold::snapshot
