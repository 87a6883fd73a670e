// Steps that a test may do to this kernel: names in a namespace, files in a folder, entropy. The
// clock is left alone. Needs root.
#include "guest-init/uniqueness/kernel_identity.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

class KernelIdentityTest : public testing::Test {
  protected:
    void SetUp() override {
        char path[] = "/tmp/anchorhold-identity-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        folder = path;
        for (const char* name : {"/root", "/root/etc", "/root/run"}) {
            ASSERT_EQ(::mkdir((folder + name).c_str(), 0755), 0);
        }
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    // What init does at boot, with the folder in place of the initial RAM disk.
    std::vector<std::string> boot() {
        const pid_t child = ::fork();
        if (child == 0) {
            std::vector<std::string> warnings;
            if (::chroot(folder.c_str()) == 0) {
                const IdentityFiles files = make_identity_files("/root", warnings);
                ::_exit(files.hooks.valid() ? static_cast<int>(warnings.size()) : 100);
            }
            ::_exit(101);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
            << "these tests need root: " << status;
        return {read("/boot_id"), read("/machine_id"), read("/host_name"),
                read("/root/run/anchorhold/generation")};
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        return sys::read_file(folder + name).value_or("none");
    }
    [[nodiscard]] mode_t mode(const std::string& name) const {
        struct stat status {};
        return ::lstat((folder + name).c_str(), &status) == 0 ? status.st_mode : 0;
    }

    std::string folder;
};

TEST_F(KernelIdentityTest, boot_makes_every_file_with_ids_of_its_own) {
    const auto first = boot();
    EXPECT_EQ(first[0].size(), 37U);
    EXPECT_EQ(first[0][14], '4');
    EXPECT_EQ(first[1].size(), 33U);
    EXPECT_EQ(first[2], "anchorhold\n");
    EXPECT_EQ(first[3], "00000000000000000001\n");
    const auto second = boot();
    EXPECT_NE(second[0], first[0]);
    EXPECT_NE(second[1], first[1]);
    EXPECT_EQ(mode("/root/run/anchorhold"), S_IFDIR | 0755U);
    EXPECT_EQ(mode("/root/run/anchorhold/generation"), S_IFREG | 0444U);
    EXPECT_EQ(mode("/root/run/anchorhold/resume"), S_IFDIR | 01777U);
}

TEST_F(KernelIdentityTest, machine_id_gets_a_place_and_host_name_only_where_the_image_has_one) {
    boot();
    EXPECT_EQ(mode("/root/etc/machine-id") & S_IFMT, mode_t{S_IFREG});
    EXPECT_EQ(mode("/root/etc/hostname"), 0U);
}

TEST_F(KernelIdentityTest, links_in_the_image_are_replaced_and_not_followed) {
    ASSERT_TRUE(sys::write_file(folder + "/init", "init"));
    for (const char* name : {"/root/etc/machine-id", "/root/etc/hostname"}) {
        ASSERT_EQ(::symlink("/init", (folder + name).c_str()), 0);
    }
    boot();
    for (const char* name : {"/root/etc/machine-id", "/root/etc/hostname"}) {
        EXPECT_EQ(mode(name) & S_IFMT, mode_t{S_IFREG}) << name;
    }
    EXPECT_EQ(read("/init"), "init");
}

TEST_F(KernelIdentityTest, file_of_the_image_is_left_as_it_is_below_the_mount) {
    ASSERT_TRUE(sys::write_file(folder + "/root/etc/machine-id", "of the image"));
    boot();
    EXPECT_EQ(read("/root/etc/machine-id"), "of the image");
}

TEST_F(KernelIdentityTest, steps_change_names_and_files) {
    ASSERT_EQ(::unshare(CLONE_NEWUTS), 0) << "these tests need root";
    IdentityFiles files;
    files.boot_id = InPlaceFile::create(folder + "/boot_id", "b\n").value();
    files.machine_id = InPlaceFile::create(folder + "/machine_id", "m\n").value();
    files.host_name = InPlaceFile::create(folder + "/host_name", "anchorhold\n").value();
    files.generation = InPlaceFile::create(folder + "/generation", generation_text(1)).value();
    const auto identity = KernelIdentity::create(std::move(files)).value();
    EXPECT_EQ(identity->generation(), 1U);
    ASSERT_TRUE(identity->set_boot_id("01234567-89ab-4def-8123-456789abcdef"));
    ASSERT_TRUE(identity->set_machine_id("0123456789abcdef0123456789abcdef"));
    ASSERT_TRUE(identity->set_host_name("clone-7"));
    ASSERT_TRUE(identity->set_generation(7));
    EXPECT_EQ(read("/boot_id"), "01234567-89ab-4def-8123-456789abcdef\n");
    EXPECT_EQ(read("/machine_id"), "0123456789abcdef0123456789abcdef\n");
    EXPECT_EQ(read("/host_name"), "clone-7\n");
    EXPECT_EQ(read("/generation"), "00000000000000000007\n");
    EXPECT_EQ(identity->generation(), 7U);
    char name[65] = {};
    ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
    EXPECT_STREQ(name, "clone-7");
}

TEST_F(KernelIdentityTest, entropy_of_either_bound_is_taken) {
    const auto identity = KernelIdentity::create({}).value();
    std::array<std::byte, 512> bytes;
    ASSERT_EQ(::getrandom(bytes.data(), bytes.size(), 0), ssize_t{bytes.size()});
    EXPECT_TRUE(identity->add_entropy(std::span(bytes).first(32)));
    EXPECT_TRUE(identity->add_entropy(bytes));
}

TEST_F(KernelIdentityTest, file_that_boot_could_not_make_fails_its_step) {
    const auto identity = KernelIdentity::create({}).value();
    EXPECT_FALSE(identity->set_boot_id("x"));
    EXPECT_FALSE(identity->set_generation(2));
    EXPECT_FALSE(identity->signal_hooks());
    EXPECT_EQ(identity->generation(), 1U);
}

}  // namespace
}  // namespace anchorhold::guest_init
