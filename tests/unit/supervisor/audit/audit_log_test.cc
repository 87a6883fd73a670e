// The writer: what it writes, when it signs, how it goes on, what a full disk does.
#include "supervisor/audit/audit_log.h"

#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include <csignal>

#include "fakes/manual_clock.h"
#include "rig.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> events(const AuditRig& rig) {
    std::vector<std::string> words;
    for (const std::string& line : rig.lines()) {
        words.push_back(nlohmann::json::parse(line).at("event"));
    }
    return words;
}

TEST(AuditLogTest, decision_is_a_line_with_its_fields_in_order) {
    const AuditRig rig;
    rig.write(1);
    const std::string line = rig.lines().at(1);
    EXPECT_TRUE(line.starts_with(
        R"({"n":2,"time":"2023-11-14T22:13:20.123456789Z","sandbox":"box","principal":"me","parent":"",)"
        R"("policy":"5e3f","budget":"","event":"decision","stream":3,"request":7,"verdict":"allow",)"
        R"("protocol":"https","method":"GET","host":"api.example","port":443,"target":"/0",)"
        R"("rule":"read/allow/1","origin":"read.yaml:3:5","credentials":["token"],"prev":")"))
        << line;
    EXPECT_TRUE(nlohmann::json::accept(line));
}

TEST(AuditLogTest, every_kind_of_event_is_strict_json) {
    const AuditRig rig;
    std::vector<proto::AuditEvent> all(11);
    all[0].mutable_started()->add_command("a\n\xc3\xbc");
    all[1].mutable_ended()->set_status(-9);
    all[2].mutable_exec()->add_argv("\x1b[31m");
    all[3].mutable_dns()->set_name("a\"b");
    all[4].mutable_connection()->set_claimed_exe("\\");
    all[5].mutable_connection_closed()->set_error("x");
    all[6] = AuditRig::decision("/?q=%00");
    all[7].mutable_outcome()->add_minted("t");
    all[8].mutable_proxy()->set_change("died: \x01");
    all[9].mutable_repeated()->set_count(3);
    const auto log = rig.open().value();
    ASSERT_TRUE(log->append(all));
    ASSERT_TRUE(log->close());
    EXPECT_EQ(events(rig),
              (std::vector<std::string>{"log", "started", "ended", "exec", "dns", "connection",
                                        "connection_closed", "decision", "outcome", "proxy",
                                        "repeated", "unknown", "checkpoint"}));
    EXPECT_EQ(nlohmann::json::parse(rig.lines()[2]).at("status"), -9);
    EXPECT_TRUE(rig.verify().findings.empty());
}

TEST(AuditLogTest, second_writer_of_a_log_is_refused) {
    const AuditRig rig;
    const auto first = rig.open().value();
    EXPECT_FALSE(rig.open());
}

TEST(AuditLogTest, name_that_is_a_path_is_refused) {
    const AuditRig rig;
    EXPECT_FALSE(rig.open("../box"));
    EXPECT_FALSE(rig.open(".keys"));
}

TEST(AuditLogTest, checkpoint_stands_behind_256_records) {
    const AuditRig rig;
    const auto log = rig.open().value();
    const std::vector<proto::AuditEvent> batch(100, AuditRig::decision("/"));
    for (int i = 0; i < 6; ++i) {
        ASSERT_TRUE(log->append(batch));
    }
    const auto words = events(rig);
    EXPECT_EQ(std::count(words.begin(), words.end(), "checkpoint"), 2);
    EXPECT_EQ(words.at(301), "checkpoint");
}

TEST(AuditLogTest, checkpoint_is_due_ten_seconds_after_the_first_record_without_one) {
    const AuditRig rig;
    fakes::ManualClock clock;
    const auto log = rig.open("box", &clock).value();
    ASSERT_EQ(log->next_maintenance(), clock.now() + 10s);
    clock.advance(9s);
    ASSERT_TRUE(log->maintain());
    EXPECT_EQ(events(rig).back(), "log");
    clock.advance(1s);
    ASSERT_TRUE(log->maintain());
    EXPECT_EQ(events(rig).back(), "checkpoint");
    EXPECT_FALSE(log->next_maintenance());
    ASSERT_TRUE(log->close());
    EXPECT_EQ(rig.lines().size(), 2U) << "a checkpoint needs no checkpoint";
}

TEST(AuditLogTest, log_goes_on_where_it_ended) {
    const AuditRig rig;
    rig.write(5);
    rig.write(5);
    const VerifyReport report = rig.verify();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_TRUE(report.notes.empty());
    EXPECT_TRUE(report.macs_checked);
    EXPECT_EQ(report.records, 1U + 5 + 1 + 5 + 1);
}

TEST(AuditLogTest, torn_last_line_is_cut_kept_and_reported) {
    const AuditRig rig;
    rig.write(5);
    rig.append_raw(R"({"n":8,"time":"20)");
    rig.write(1);
    const VerifyReport report = rig.verify();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.notes.size(), 1U);
    EXPECT_EQ(events(rig).at(7), "repaired");
    EXPECT_EQ(std::filesystem::file_size(rig.file("cut-behind-7")), 17U);
}

TEST(AuditLogTest, records_that_are_gone_are_declared_lost) {
    const AuditRig rig;
    rig.write(5);
    auto lines = rig.lines();
    lines.resize(4);
    rig.set_lines(lines);
    rig.write(1);
    EXPECT_EQ(events(rig).at(4), "lost");
    const VerifyReport report = rig.verify();
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].record, 5U);
    EXPECT_NE(report.findings[0].what.find("records 5 to 7"), std::string::npos);
    EXPECT_EQ(report.records, 10U);
}

TEST(AuditLogTest, log_that_is_gone_as_a_whole_is_declared_lost) {
    const AuditRig rig;
    rig.write(5);
    rig.set_lines({});
    rig.write(1);
    EXPECT_EQ(events(rig).at(1), "lost");
    EXPECT_EQ(rig.verify().findings.size(), 1U);
}

TEST(AuditLogTest, log_without_its_state_or_changed_before_it_does_not_go_on) {
    const AuditRig rig;
    rig.write(5);
    auto lines = rig.lines();
    const auto original = lines;
    lines.back()[20] = '9';
    rig.set_lines(lines);
    EXPECT_FALSE(rig.open());
    rig.set_lines(original);
    EXPECT_TRUE(rig.open());
    std::filesystem::resize_file(rig.file("state"), 10);
    EXPECT_FALSE(rig.open());
}

TEST(AuditLogTest, disk_that_is_full_leaves_the_log_as_it_was) {
    const AuditRig rig;
    std::signal(SIGXFSZ, SIG_IGN);
    const auto log = rig.open().value();
    ASSERT_TRUE(log->append(std::vector{AuditRig::decision("/before")}));
    const auto before = rig.lines();
    rlimit found{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &found), 0);
    const rlimit tight{std::filesystem::file_size(log->path()) + 100, found.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    EXPECT_FALSE(log->append(std::vector(3, AuditRig::decision("/during"))));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &found), 0);
    EXPECT_EQ(rig.lines(), before);
    ASSERT_TRUE(log->append(std::vector{AuditRig::decision("/after")}));
    ASSERT_TRUE(log->close());
    EXPECT_TRUE(rig.verify().findings.empty());
}

TEST(AuditLogTest, files_are_for_their_owner_alone) {
    const AuditRig rig;
    rig.write(1);
    using std::filesystem::perms;
    for (const char* name : {"log.jsonl", "state"}) {
        const auto mode = std::filesystem::status(rig.file(name)).permissions();
        EXPECT_EQ(mode & (perms::group_all | perms::others_all), perms::none) << name;
    }
}

TEST(AuditLogTest, batch_sync_and_empty_batch_are_fine) {
    const AuditRig rig;
    AuditLog::Options options;
    options.folder = rig.folder;
    options.sync = AuditLog::Sync::each_batch;
    const auto log = AuditLog::open(*rig.keys, {"box", "", "", "", ""}, options).value();
    EXPECT_TRUE(log->append({}));
    EXPECT_TRUE(log->append(std::vector{AuditRig::decision("/")}));
    EXPECT_TRUE(log->sync());
}

}  // namespace
}  // namespace anchorhold::supervisor
