// ExecStart to Command.
#include "exec/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anchorhold::exec {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::StartsWith;

const Account kAgent{1000, 1000, "agent", "/home/agent", "/bin/bash"};

proto::ExecStart start_of(const std::string& argument) {
    proto::ExecStart start;
    start.add_argv(argument);
    return start;
}

TEST(Command, environment_without_wishes_has_the_defaults) {
    const auto command = make_command(start_of("ls"), kAgent);
    ASSERT_TRUE(command.has_value());
    EXPECT_THAT(command->environment,
                ElementsAre("HOME=/home/agent", "LANG=C.UTF-8", "LOGNAME=agent",
                            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            "SHELL=/bin/bash", "USER=agent"));
    EXPECT_EQ(command->directory, "/home/agent");
    EXPECT_EQ(command->directory_origin, DirectoryOrigin::kHome);
}

TEST(Command, environment_entry_replaces_a_default_and_the_last_one_wins) {
    proto::ExecStart start = start_of("ls");
    start.add_env("HOME=/a");
    start.add_env("HOME=/b=c");
    const auto command = make_command(start, kAgent);
    ASSERT_TRUE(command.has_value());
    EXPECT_THAT(command->environment, Contains("HOME=/b=c"));
    EXPECT_THAT(command->environment, Not(Contains("HOME=/a")));
}

TEST(Command, environment_of_the_account_is_above_the_defaults_and_below_the_clients) {
    Account account = kAgent;
    account.environment = {"LANG=C", "A=account", "B=account"};
    proto::ExecStart start = start_of("ls");
    start.add_env("B=client");
    const auto command = make_command(start, account);
    ASSERT_TRUE(command.has_value());
    EXPECT_THAT(command->environment, Contains("LANG=C"));
    EXPECT_THAT(command->environment, Contains("A=account"));
    EXPECT_THAT(command->environment, Contains("B=client"));
    account.environment = {"no value"};
    EXPECT_FALSE(make_command(start, account).has_value());
}

TEST(Command, terminal_sets_term) {
    proto::ExecStart start = start_of("ls");
    EXPECT_THAT(make_command(start, kAgent)->environment, Not(Contains(StartsWith("TERM="))));
    start.mutable_terminal();
    start.set_terminal_type("xterm-256color");
    EXPECT_THAT(make_command(start, kAgent)->environment, Contains("TERM=xterm-256color"));
}

TEST(Command, name_without_slash_is_looked_up_in_the_given_path) {
    proto::ExecStart start = start_of("tool");
    start.add_env("PATH=/a::/b:");
    EXPECT_THAT(make_command(start, kAgent)->candidates,
                ElementsAre("/a/tool", "./tool", "/b/tool", "./tool"));
}

TEST(Command, name_with_slash_is_taken_as_it_is) {
    const auto command = make_command(start_of("bin/tool"), kAgent);
    EXPECT_THAT(command->candidates, ElementsAre("bin/tool"));
    EXPECT_EQ(command->search_path, "");
}

TEST(Command, entry_without_name_or_with_nul_is_refused) {
    for (const std::string& entry :
         {std::string("=x"), std::string("NOVALUE"), std::string("A=\0b", 4)}) {
        proto::ExecStart start = start_of("ls");
        start.add_env(entry);
        EXPECT_FALSE(make_command(start, kAgent).has_value()) << entry;
    }
    EXPECT_FALSE(make_command(start_of(std::string("l\0s", 3)), kAgent).has_value());
    EXPECT_FALSE(make_command(start_of(""), kAgent).has_value());
}

}  // namespace
}  // namespace anchorhold::exec
