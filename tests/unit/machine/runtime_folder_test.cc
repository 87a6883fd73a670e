// Private folders: who may own them, locks that outlive a removal, stale sockets.
#include "machine/runtime_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "temporary_folder.h"

namespace anchorhold::machine {
namespace {

class RuntimeFolderTest : public testing::Test {
  protected:
    void SetUp() override { ::setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1); }
    void TearDown() override { ::unsetenv("XDG_RUNTIME_DIR"); }

    TemporaryFolder folder;
};

TEST_F(RuntimeFolderTest, folder_is_private) {
    const auto path = runtime_folder();
    ASSERT_TRUE(path);
    EXPECT_EQ(*path, folder.path() + "/anchorhold");
    struct stat status {};
    ASSERT_EQ(::stat(path->c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700U);
}

TEST_F(RuntimeFolderTest, folder_that_others_can_enter_is_refused) {
    const std::string path = folder.path() + "/anchorhold";
    ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
    ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
    EXPECT_FALSE(runtime_folder());
}

TEST_F(RuntimeFolderTest, symbolic_link_is_refused) {
    ASSERT_EQ(::symlink("/tmp", (folder.path() + "/anchorhold").c_str()), 0);
    EXPECT_FALSE(runtime_folder());
}

TEST_F(RuntimeFolderTest, connect_without_listener_says_so) {
    const auto machine = MachineFolder::create("machine-a");
    ASSERT_TRUE(machine);
    EXPECT_EQ(machine->connect(kExecSocket).error().code, ENOENT);
    { const auto listener = machine->listen(kExecSocket); }
    EXPECT_EQ(machine->connect(kExecSocket).error().code, ECONNREFUSED);
    const auto listener = machine->listen(kExecSocket);
    ASSERT_TRUE(listener);
    EXPECT_TRUE(machine->connect(kExecSocket));
}

TEST_F(RuntimeFolderTest, long_path_still_has_sockets) {
    const std::string deep = folder.path() + "/" + std::string(150, 'd');
    ASSERT_EQ(::mkdir(deep.c_str(), 0700), 0);
    ::setenv("XDG_RUNTIME_DIR", deep.c_str(), 1);
    const auto machine = MachineFolder::create("machine-a");
    ASSERT_TRUE(machine);
    const auto listener = machine->listen(kExecSocket);
    ASSERT_TRUE(listener);
    EXPECT_TRUE(machine->connect(kExecSocket));
}

TEST_F(RuntimeFolderTest, lock_of_a_removed_folder_is_void) {
    auto first = MachineFolder::create("machine-a");
    auto second = MachineFolder::create("machine-a");
    ASSERT_TRUE(first && second);
    ASSERT_TRUE(first->lock().value());
    first->remove();
    { const MachineFolder closed = std::move(*first); }
    EXPECT_FALSE(second->lock().value());
}

TEST_F(RuntimeFolderTest, list_names_machines_only) {
    ASSERT_TRUE(MachineFolder::create("machine-b"));
    ASSERT_TRUE(MachineFolder::create("machine-a"));
    ASSERT_TRUE(MachineFolder::create("other"));
    const std::string base = folder.path() + "/anchorhold/machine-";
    EXPECT_EQ(list_machine_folders().value(), (std::vector<std::string>{base + "a", base + "b"}));
}

}  // namespace
}  // namespace anchorhold::machine
