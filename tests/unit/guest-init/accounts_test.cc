// The image's /etc/passwd as untrusted text.
#include "guest-init/accounts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/bash\n"
    "short:x:5\n"
    "::::::\n"
    "minus:x:4294967295:1:::\n"
    "huge:x:99999999999:1:::\n"
    "negative:x:-1:1:::\n"
    "dev:x:1000:100:,,,:/home/dev:/bin/zsh\n"
    "twin:x:1000:1:::\n"
    "bare:x:7:8:::\n"
    "last:x:9:9::/l:/bin/false";

TEST(Accounts, nobody_asked_is_uid_1000_of_the_image) {
    const auto account = find_account(kPasswd, "");
    ASSERT_TRUE(account.has_value());
    EXPECT_EQ(account->uid, 1000U);
    EXPECT_EQ(account->gid, 100U);
    EXPECT_EQ(account->name, "dev");
    EXPECT_EQ(account->home, "/home/dev");
    EXPECT_EQ(account->shell, "/bin/zsh");
}

TEST(Accounts, nobody_asked_without_a_file_is_made_up) {
    const auto account = find_account("", "");
    ASSERT_TRUE(account.has_value());
    EXPECT_EQ(account->uid, 1000U);
    EXPECT_EQ(account->gid, 1000U);
    EXPECT_EQ(account->name, "agent");
    EXPECT_EQ(account->home, "/");
}

TEST(Accounts, name_is_looked_up) {
    EXPECT_EQ(find_account(kPasswd, "root")->uid, 0U);
    EXPECT_EQ(find_account(kPasswd, "last")->uid, 9U);
    EXPECT_EQ(find_account(kPasswd, "bare")->home, "/");
    EXPECT_EQ(find_account(kPasswd, "bare")->shell, "/bin/sh");
}

TEST(Accounts, name_on_a_malformed_line_is_unknown) {
    for (const char* name : {"short", "minus", "huge", "negative", "nobody", "de", "dev:x"}) {
        const auto account = find_account(kPasswd, name);
        ASSERT_FALSE(account.has_value()) << name;
        EXPECT_NE(account.error().message.find(name), std::string::npos);
    }
}

TEST(Accounts, number_needs_no_entry) {
    EXPECT_EQ(find_account(kPasswd, "0")->home, "/root");
    EXPECT_EQ(find_account(kPasswd, "4242")->gid, 4242U);
    EXPECT_EQ(find_account(kPasswd, "1000:5")->gid, 5U);
    EXPECT_EQ(find_account(kPasswd, "1000:5")->name, "dev");
}

TEST(Accounts, number_out_of_range_is_refused) {
    for (const char* user :
         {"4294967295", "1000:", "1000:x", "1000:4294967295", "-1", " 1000", "1e3"}) {
        EXPECT_FALSE(find_account(kPasswd, user).has_value()) << user;
    }
}

TEST(Accounts, file_that_is_a_fifo_reads_as_empty) {
    char directory[] = "/tmp/anchorhold-passwd-XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    const std::string path = std::string(directory) + "/passwd";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(read_passwd(path), "");
    ::unlink(path.c_str());
    EXPECT_EQ(read_passwd(path), "");
    ASSERT_TRUE(sys::write_file(path, kPasswd));
    EXPECT_EQ(read_passwd(path), kPasswd);
    ::unlink(path.c_str());
    ::rmdir(directory);
}

}  // namespace
}  // namespace anchorhold::guest_init
