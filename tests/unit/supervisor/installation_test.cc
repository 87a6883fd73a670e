// Where our files are looked for.
#include "supervisor/installation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace anchorhold::supervisor {
namespace {

TEST(Installation, image_names_are_ours_and_paths_are_paths) {
    Installation installation;
    installation.images = "/usr/lib/anchorhold/images";
    EXPECT_EQ(installation.image_path("tiny"), "/usr/lib/anchorhold/images/tiny.erofs");
    EXPECT_EQ(installation.image_path("a.b"), "/usr/lib/anchorhold/images/a.b.erofs");
    EXPECT_EQ(installation.image_path("./tiny"), "./tiny");
    EXPECT_EQ(installation.image_path("/srv/image.erofs"), "/srv/image.erofs");
}

TEST(FindInstallation, without_override_is_beside_the_running_program) {
    ASSERT_EQ(::unsetenv("ANCHORHOLD_LIBRARY"), 0);
    const Installation found = find_installation().value();
    const std::filesystem::path program = std::filesystem::canonical("/proc/self/exe");
    EXPECT_EQ(found.program, program);
    EXPECT_EQ(found.library, (program.parent_path().parent_path() / "lib/anchorhold").string());
    EXPECT_EQ(found.vmm, found.library + "/anchorhold-vmm");
    EXPECT_EQ(found.kvm, "/dev/kvm");
}

TEST(FindInstallation, override_moves_every_file) {
    ASSERT_EQ(::setenv("ANCHORHOLD_LIBRARY", "/srv/lib", 1), 0);
    const Installation found = find_installation().value();
    ASSERT_EQ(::unsetenv("ANCHORHOLD_LIBRARY"), 0);
    EXPECT_EQ(found.kernel, "/srv/lib/vmlinux");
    EXPECT_EQ(found.initrd, "/srv/lib/init.cpio");
    EXPECT_EQ(found.images, "/srv/lib/images");
    EXPECT_EQ(found.disk_template, "/srv/lib/disk.template");
}

}  // namespace
}  // namespace anchorhold::supervisor
