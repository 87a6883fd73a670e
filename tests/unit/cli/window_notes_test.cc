// One line for each kind of denial, bounded memory for a guest that names a million hosts.
#include "cli/window_notes.h"

#include <gtest/gtest.h>

namespace anchorhold::cli {
namespace {

proto::AuditEvent denial(const std::string& host, const std::string& target = "/") {
    proto::AuditEvent event;
    proto::RequestDecided& decision = *event.mutable_decision();
    decision.set_verdict(proto::RequestDecided::DENY);
    decision.set_protocol("https");
    decision.set_method("GET");
    decision.set_host(host);
    decision.set_port(443);
    decision.set_target(target);
    decision.set_reason("no_rule");
    return event;
}

proto::AuditEvent proxy(const std::string& change) {
    proto::AuditEvent event;
    event.mutable_proxy()->set_process("proxy");
    event.mutable_proxy()->set_change(change);
    return event;
}

TEST(WindowNotesTest, first_denial_of_a_kind_is_a_line_and_the_next_is_not) {
    WindowNotes notes;
    EXPECT_EQ(notes.note(denial("a.example", "/x")),
              "denied GET https://a.example:443/x (no_rule)");
    EXPECT_EQ(notes.note(denial("a.example", "/y")), "");
    EXPECT_NE(notes.note(denial("b.example")), "");
    EXPECT_EQ(notes.summary("box"),
              "3 requests to 2 destinations denied; see: anchorhold audit show box --filter "
              "verdict=deny");
}

TEST(WindowNotesTest, allowed_requests_are_no_news) {
    WindowNotes notes;
    proto::AuditEvent event = denial("a.example");
    event.mutable_decision()->set_verdict(proto::RequestDecided::ALLOW);
    EXPECT_EQ(notes.note(event), "");
    EXPECT_EQ(notes.summary("box"), "");
}

TEST(WindowNotesTest, what_the_guest_wrote_is_escaped) {
    WindowNotes notes;
    const std::string line = notes.note(denial("a\x1b[2J", "/\r\n"));
    for (const char c : line) {
        EXPECT_TRUE(c >= 0x20 && c < 0x7f);
    }
}

TEST(WindowNotesTest, million_hosts_are_a_hundred_lines_and_a_word) {
    WindowNotes notes;
    size_t lines = 0;
    for (int i = 0; i < 1'000'000; ++i) {
        lines += notes.note(denial(std::to_string(i) + ".example")).empty() ? 0 : 1;
    }
    EXPECT_EQ(lines, WindowNotes::kMostLines + 1);
    EXPECT_EQ(notes.denied().size(), WindowNotes::kMostRequests);
    EXPECT_TRUE(notes.summary("box").starts_with("1000000 requests to more than 1000 "));
}

TEST(WindowNotesTest, long_targets_are_bounded_in_bytes) {
    WindowNotes notes;
    for (int i = 0; i < 10'000; ++i) {
        notes.note(denial("a.example", std::string(2048, 'a')));
    }
    EXPECT_LT(notes.denied().size() * 2048, WindowNotes::kMostRequestBytes);
}

TEST(WindowNotesTest, counts_of_floods_are_in_the_summary) {
    WindowNotes notes;
    notes.note(denial("a.example"));
    proto::AuditEvent repeated;
    repeated.mutable_repeated()->set_count(9);
    EXPECT_EQ(notes.note(repeated), "");
    proto::AuditEvent counted;
    counted.mutable_counted()->set_denials(90);
    EXPECT_NE(notes.note(counted), "");
    EXPECT_EQ(notes.note(counted), "");
    EXPECT_TRUE(notes.summary("box").starts_with("190 requests to more than 1 destination "));
}

TEST(WindowNotesTest, deaths_are_told_at_each_power_of_two) {
    WindowNotes notes;
    EXPECT_EQ(notes.note(proxy("died")),
              "the window's proxy died; its connections are lost, and the next finds a new one");
    EXPECT_NE(notes.note(proxy("died")), "");
    EXPECT_EQ(notes.note(proxy("died")), "");
    EXPECT_NE(notes.note(proxy("broke the protocol: a wrong sequence number")), "");
    EXPECT_EQ(notes.note(proxy("left when idle")), "");
}

}  // namespace
}  // namespace anchorhold::cli
