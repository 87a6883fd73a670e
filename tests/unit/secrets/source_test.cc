// Each source, and what is refused without a word of the value.
#include "supervisor/secrets/source.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/sys.h"
#include "secret_folder.h"

extern char** environ;  // NOLINT: POSIX names it so

namespace anchorhold::supervisor {
namespace {

TEST(SecretSource, environment_taken_and_overwritten) {
    ::setenv("ANCHORHOLD_TEST_SECRET", "value-in-the-environment", 1);
    const char* const text = ::getenv("ANCHORHOLD_TEST_SECRET");
    const auto taken = take_environment("ANCHORHOLD_TEST_SECRET");
    ASSERT_TRUE(taken);
    EXPECT_EQ(::getenv("ANCHORHOLD_TEST_SECRET"), nullptr);
    EXPECT_EQ(*text, '\0');
    for (int i = 0; i < 2; ++i) {
        const auto value = fetch(*taken);
        ASSERT_TRUE(value);
        EXPECT_EQ(value->view(), "value-in-the-environment");
    }
}

TEST(SecretSource, environment_not_set_is_an_error_when_fetched) {
    ::unsetenv("ANCHORHOLD_TEST_SECRET");
    const auto taken = take_environment("ANCHORHOLD_TEST_SECRET");
    ASSERT_TRUE(taken);
    const auto value = fetch(*taken);
    ASSERT_FALSE(value);
    EXPECT_NE(value.error().message.find("ANCHORHOLD_TEST_SECRET is not set"), std::string::npos);
}

TEST(SecretSource, file_read_without_its_last_line_end) {
    const SecretFolder folder;
    const auto value = fetch(FileSource{folder.write("token", "a secret\nof two lines\r\n\n")});
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(value->view(), "a secret\nof two lines");
}

TEST(SecretSource, file_that_is_not_private_or_not_a_secret_refused) {
    const SecretFolder folder;
    for (const mode_t mode : {0640, 0604, 0620, 0666}) {
        const auto value = fetch(FileSource{folder.write("open", "hidden-value", mode)});
        ASSERT_FALSE(value);
        EXPECT_NE(value.error().message.find("chmod 600"), std::string::npos);
        EXPECT_EQ(value.error().message.find("hidden-value"), std::string::npos);
    }
    EXPECT_FALSE(fetch(FileSource{folder.write("empty", "\n")}));
    EXPECT_FALSE(fetch(FileSource{folder.write("long", std::string(kMaxSecret + 1, 'x'))}));
    EXPECT_TRUE(fetch(FileSource{folder.write("full", std::string(kMaxSecret, 'x'))}));
    EXPECT_FALSE(fetch(FileSource{folder.path("none")}));
    EXPECT_FALSE(fetch(FileSource{"/dev/zero"}));
    EXPECT_FALSE(fetch(FileSource{folder.path(".")}));
}

TEST(SecretSource, command_gives_its_output) {
    const auto value = fetch(CommandSource{{"printf", "%s\\n", "value from a program"}});
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(value->view(), "value from a program");
}

TEST(SecretSource, command_that_fails_refused) {
    EXPECT_FALSE(fetch(CommandSource{{"/bin/sh", "-c", "echo hidden-value; exit 3"}}));
    EXPECT_FALSE(fetch(CommandSource{{"true"}}));
    EXPECT_FALSE(fetch(CommandSource{{"/nowhere/program"}}));
    const auto endless = fetch(CommandSource{{"yes"}});
    ASSERT_FALSE(endless);
    EXPECT_NE(endless.error().message.find("64 KiB"), std::string::npos);
}

TEST(SecretSource, command_that_takes_too_long_is_ended) {
    using namespace std::chrono_literals;
    for (const char* script : {"sleep 100", "echo hidden-value; exec >&-; sleep 100"}) {
        const auto value = fetch(CommandSource{{"/bin/sh", "-c", script}, 200ms});
        ASSERT_FALSE(value);
        EXPECT_NE(value.error().message.find("time"), std::string::npos) << value.error().message;
        EXPECT_EQ(value.error().message.find("hidden-value"), std::string::npos);
    }
}

TEST(SecretSource, command_that_is_ended_leaves_no_child_behind) {
    using namespace std::chrono_literals;
    const SecretFolder folder;
    const std::string pid_file = folder.path("pid");
    const auto value = fetch(
        CommandSource{{"/bin/sh", "-c", "sleep 100 & echo $! > " + pid_file + "; wait"}, 500ms});
    ASSERT_FALSE(value);
    const pid_t sleeper = std::stoi(sys::read_file(pid_file).value());
    ASSERT_GT(sleeper, 1);
    const auto gone = sys::pidfd_open(sleeper);
    if (gone) {
        pollfd ended{gone->get(), POLLIN, 0};
        EXPECT_EQ(::poll(&ended, 1, 10'000), 1) << "it sleeps on";
    }
}

TEST(SecretSource, systemd_credential_read_from_its_folder) {
    const SecretFolder folder;
    folder.write("token", "from systemd", 0440);
    ::setenv("CREDENTIALS_DIRECTORY", folder.path("").c_str(), 1);
    const auto value = fetch(SystemdSource{"token"});
    ::unsetenv("CREDENTIALS_DIRECTORY");
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(value->view(), "from systemd");
    EXPECT_FALSE(fetch(SystemdSource{"token"}));
}

}  // namespace
}  // namespace anchorhold::supervisor
