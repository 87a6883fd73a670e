// Records for people, and which of them.
#include "supervisor/audit/record_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "supervisor/audit/record_filter.h"

namespace anchorhold::supervisor {
namespace {

using Json = nlohmann::json;

const Json kDenial = Json::parse(
    R"({"n":7,"time":"2026-01-02T03:04:05.123456789Z","event":"decision","request":4,"verdict":"deny",)"
    R"("protocol":"https","method":"POST","host":"api.example","port":443,"target":"/x","reason":"no_rule",)"
    R"("detail":"nothing allows it","credentials":["a","b"]})");

TEST(RecordTextTest, denial_says_what_and_why) {
    EXPECT_EQ(record_text(kDenial, Colour::off),
              "2026-01-02T03:04:05.123  deny           #4  POST https://api.example/x  no_rule: "
              "nothing allows it, with a b");
}

TEST(RecordTextTest, denials_are_red_where_colours_are_on) {
    EXPECT_TRUE(record_text(kDenial, Colour::on).starts_with("\x1b[31m"));
    Json allowed = kDenial;
    allowed["verdict"] = "allow";
    EXPECT_EQ(record_text(allowed, Colour::on), record_text(allowed, Colour::off));
}

TEST(RecordTextTest, control_characters_of_the_guest_are_escaped) {
    Json record = kDenial;
    for (const char* key : {"target", "host", "method", "time", "event", "verdict", "detail"}) {
        record[key] = "a\x1b[2J\n\xc3\xbc";
    }
    for (const Colour colour : {Colour::off, Colour::on}) {
        for (const char c : record_text(record, colour)) {
            EXPECT_TRUE(c >= 0x20 && c < 0x7f);
        }
    }
}

TEST(RecordTextTest, command_and_its_end) {
    const Json exec = Json::parse(
        R"({"time":"2026-01-02T03:04:05.123456789Z","event":"exec","exec":1,"argv":["ls","-l"],"user":"root",)"
        R"("working_directory":"/work"})");
    EXPECT_TRUE(record_text(exec, Colour::off).ends_with("ls -l, as root, in /work"));
    Json ended = Json::parse(R"({"event":"exec_ended","exec":1,"status":2,"duration_ns":1500000})");
    EXPECT_TRUE(record_text(ended, Colour::off).ends_with("status 2, 1.5 ms"));
    ended["signal"] = 9U;
    ended["out_of_memory"] = true;
    EXPECT_TRUE(
        record_text(ended, Colour::off).ends_with("killed by signal 9 (out of memory), 1.5 ms"));
}

TEST(RecordTextTest, flood_says_how_much_there_was) {
    const Json counted =
        Json::parse(R"({"event":"counted","denials":7,"connections":5,"questions":0})");
    EXPECT_TRUE(record_text(counted, Colour::off)
                    .ends_with("a flood: 7 more denials, 5 more connections, 0 more questions"));
    EXPECT_TRUE(record_text(counted, Colour::on).starts_with("\x1b[31m"));
}

TEST(RecordTextTest, fields_of_other_types_do_no_harm) {
    for (const char* event :
         {"decision", "outcome", "repeated", "connection", "connection_closed", "dns", "exec",
          "exec_ended", "counted", "started", "ended", "proxy", "lost", "repaired", "unknown"}) {
        Json record = {{"event", event}};
        for (const char* key : {"time", "verdict", "port", "status", "argv", "host", "count"}) {
            record[key] = Json::array({1, Json::object()});
        }
        EXPECT_FALSE(record_text(record, Colour::off).empty());
    }
}

TEST(RecordTextTest, sizes_and_durations_have_units) {
    EXPECT_EQ(size_text(1023), "1023 B");
    EXPECT_EQ(size_text(1536), "1.5 KiB");
    EXPECT_EQ(size_text(UINT64_MAX), "16777216.0 TiB");
    EXPECT_EQ(duration_text(12'340'000), "12.3 ms");
    EXPECT_EQ(duration_text(2'500'000'000), "2.50 s");
}

TEST(RecordFilterTest, conditions_must_all_match) {
    const auto matches = [](const char* filter) {
        return RecordFilter::parse(filter).value().matches(kDenial);
    };
    EXPECT_TRUE(matches(""));
    EXPECT_TRUE(matches("verdict=deny"));
    EXPECT_TRUE(matches("host=*.example,verdict=deny,port=443"));
    EXPECT_TRUE(matches("credentials=b"));
    EXPECT_FALSE(matches("credentials=c"));
    EXPECT_FALSE(matches("host=*.example,verdict=allow"));
    EXPECT_FALSE(matches("missing=*"));
}

TEST(RecordFilterTest, text_that_is_no_condition_is_an_error) {
    EXPECT_FALSE(RecordFilter::parse("deny"));
    EXPECT_FALSE(RecordFilter::parse("=deny"));
    EXPECT_FALSE(RecordFilter::parse("a=b,,c=d"));
}

TEST(RecordFilterTest, since_compares_times) {
    RecordFilter filter;
    ASSERT_TRUE(filter.set_since("2026-01-02T03:04"));
    EXPECT_TRUE(filter.matches(kDenial));
    ASSERT_TRUE(filter.set_since("2026-01-02T03:04:05.2Z"));
    EXPECT_FALSE(filter.matches(kDenial));
    EXPECT_FALSE(filter.set_since("yesterday"));
}

TEST(GlobTest, star_stands_for_any_characters) {
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("a*c*", "abcc"));
    EXPECT_TRUE(glob_matches("*.b", "a.b.b"));
    EXPECT_FALSE(glob_matches("a*c", "abcd"));
    EXPECT_FALSE(glob_matches("", "a"));
}

}  // namespace
}  // namespace anchorhold::supervisor
