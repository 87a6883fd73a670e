// Finding a log by the beginning of its name.
#include "supervisor/audit/log_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "rig.h"

namespace anchorhold::supervisor {
namespace {

TEST(LogFolderTest, names_that_could_be_paths_are_refused) {
    for (const char* name : {"", ".", "..", ".keys", "a/b", "-a", "_a", "a b", "a\n", "\xc3\xbc"}) {
        EXPECT_FALSE(is_log_name(name)) << name;
    }
    EXPECT_FALSE(is_log_name(std::string(129, 'a')));
    EXPECT_TRUE(is_log_name("Blue-fox_1.2"));
}

TEST(LogFolderTest, log_is_found_by_name_by_beginning_and_as_the_last) {
    const AuditRig rig;
    for (const char* name : {"blue", "blue-fox", "green"}) {
        rig.write(1, name);
    }
    const timespec old[2] = {{1, 0}, {1, 0}};
    const timespec newer[2] = {{2, 0}, {2, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, rig.file("log.jsonl", "green").c_str(), old, 0), 0);
    ASSERT_EQ(::utimensat(AT_FDCWD, rig.file("log.jsonl", "blue").c_str(), newer, 0), 0);
    EXPECT_EQ(find_log(rig.folder, "blue").value(), "blue");
    EXPECT_EQ(find_log(rig.folder, "blue-").value(), "blue-fox");
    EXPECT_EQ(find_log(rig.folder, "g").value(), "green");
    EXPECT_EQ(find_log(rig.folder, "last").value(), "blue-fox");
    EXPECT_FALSE(find_log(rig.folder, "bl"));
    EXPECT_FALSE(find_log(rig.folder, "red"));
    EXPECT_FALSE(find_log(rig.folder, ""));
    EXPECT_FALSE(find_log(rig.folder, "../blue"));
    EXPECT_EQ(list_logs(rig.folder).value().size(), 3U);
}

TEST(LogFolderTest, folder_that_does_not_exist_has_no_logs) {
    EXPECT_TRUE(list_logs("/nonexistent/audit").value().empty());
    EXPECT_FALSE(find_log("/nonexistent/audit", "last"));
}

}  // namespace
}  // namespace anchorhold::supervisor
