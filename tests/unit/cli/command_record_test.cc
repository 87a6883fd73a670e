// What of a command is on record, and what never is.
#include "cli/command_record.h"

#include <gtest/gtest.h>

#include "supervisor/window/sandbox_events.h"

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;

TEST(CommandRecordTest, command_has_its_words_user_and_folder) {
    proto::ExecStart start;
    start.add_argv("python3");
    start.add_argv("agent.py");
    start.set_user("root");
    start.set_working_directory("/work");
    const proto::AuditEvent event = command_executed(1, start);
    EXPECT_EQ(event.exec().number(), 1U);
    ASSERT_EQ(event.exec().argv_size(), 2);
    EXPECT_EQ(event.exec().argv(1), "agent.py");
    EXPECT_EQ(event.exec().user(), "root");
    EXPECT_EQ(event.exec().working_directory(), "/work");
}

TEST(CommandRecordTest, environment_is_not_on_record) {
    proto::ExecStart start;
    start.add_argv("env");
    start.add_env("TOKEN=hunter2");
    EXPECT_EQ(command_executed(1, start).SerializeAsString().find("hunter2"), std::string::npos);
}

TEST(CommandRecordTest, long_command_is_cut_and_counted) {
    proto::ExecStart start;
    start.add_argv("echo");
    start.add_argv(std::string(2000, 'a'));
    start.add_argv("b");
    const proto::AuditEvent event = command_executed(1, start);
    ASSERT_EQ(event.exec().argv_size(), 3);
    EXPECT_EQ(event.exec().argv(1).size(), 1020U);
    EXPECT_EQ(event.exec().argv(2), "[+981 bytes]");
}

TEST(CommandRecordTest, command_of_many_empty_words_ends_where_the_room_does) {
    std::vector<std::string> given(3, "");
    given.push_back(std::string(1024, 'a'));
    given.push_back("b");
    google::protobuf::RepeatedPtrField<std::string> words;
    supervisor::add_bounded(words, given);
    ASSERT_EQ(words.size(), 5);
    EXPECT_EQ(words[4], "[+1 bytes]");
}

TEST(CommandRecordTest, end_says_how) {
    const auto exited = command_ended(1, exec::Exited{3, 0, false}, 5ms);
    EXPECT_EQ(exited.exec_ended().status(), 3);
    EXPECT_EQ(exited.exec_ended().duration_ns(), 5'000'000U);
    const auto killed = command_ended(1, exec::Exited{0, 9, true}, 5ms);
    EXPECT_EQ(killed.exec_ended().signal(), 9U);
    EXPECT_TRUE(killed.exec_ended().out_of_memory());
    const auto refused =
        command_ended(1, exec::Refused{proto::ExecRefused::INTERNAL, "no such file"}, 5ms);
    EXPECT_EQ(refused.exec_ended().error(), "never ran: no such file");
    EXPECT_EQ(command_ended(1, exec::Lost{"gone"}, 5ms).exec_ended().error(), "lost: gone");
}

}  // namespace
}  // namespace anchorhold::cli
