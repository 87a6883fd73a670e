// Whatever goes wrong ends in one clear line, exit status 125, and nothing left behind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/sys.h"
#include "vm/anchorhold.h"
#include "vm/leftovers.h"

namespace anchorhold::vm_test {
namespace {

class Failures : public testing::Test {
  protected:
    Failures() {
        private_folder();
        before_ = HostState::now();
    }
    ~Failures() override {
        for (const std::string& file : made_) {
            std::filesystem::remove_all(file);
        }
        EXPECT_EQ(leftovers(before_), "");
    }

    // A file of the test's own, removed before leftovers are looked for.
    std::string make_file(const std::string& name, const std::string& content) {
        const std::string path = private_folder() + "/" + name;
        EXPECT_TRUE(sys::write_file(path, content));
        made_.push_back(path);
        return path;
    }

    // The installation with one file replaced.
    std::string library_with(const std::string& name, const std::string& content) {
        const std::string folder = private_folder() + "/library";
        std::filesystem::create_directory(folder);
        made_.push_back(folder);
        for (const auto& entry : std::filesystem::directory_iterator(library_path())) {
            if (entry.path().filename() != name) {
                std::filesystem::create_symlink(entry.path(), folder / entry.path().filename());
            }
        }
        EXPECT_TRUE(sys::write_file(folder + "/" + name, content));
        return folder;
    }

  private:
    HostState before_;
    std::vector<std::string> made_;
};

// One line, ours, no control characters, and it says `what`.
void expect_clear_error(const Completed& done, int status, const std::string& what) {
    EXPECT_FALSE(done.timed_out);
    EXPECT_EQ(done.status, status) << done.err;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
    EXPECT_TRUE(done.err.starts_with("anchorhold: ")) << done.err;
    EXPECT_NE(done.err.find(what), std::string::npos) << done.err;
}

std::string image_bytes(const std::string& name) {
    return sys::read_file(library_path() + "/images/" + name + ".erofs", size_t{1} << 30).value();
}

TEST_F(Failures, missing_image_names_file_and_reason) {
    expect_clear_error(run({"true"}, {"--image", "/no/such.erofs"}), 125,
                       "/no/such.erofs: No such file or directory");
}

TEST_F(Failures, image_that_is_a_folder_is_refused) {
    expect_clear_error(run({"true"}, {"--image", "/tmp"}), 125, "/tmp");
}

TEST_F(Failures, image_that_is_not_erofs_is_refused) {
    expect_clear_error(run({"true"}, {"--image", make_file("zeros", std::string(1 << 20, '\0'))}),
                       125, "not an EROFS");
}

TEST_F(Failures, truncated_image_is_refused) {
    expect_clear_error(
        run({"true"}, {"--image", make_file("short", image_bytes("tiny").substr(0, 100'000))}), 125,
        "truncated");
}

TEST_F(Failures, corrupt_image_with_a_good_superblock_is_reported_by_the_guest) {
    std::string bytes = image_bytes("tiny");
    std::fill(bytes.begin() + 1152, bytes.end(), '\xff');
    expect_clear_error(run({"true"}, {"--image", make_file("corrupt", bytes)}), 125, "/corrupt");
}

TEST_F(Failures, truncated_kernel_is_refused) {
    const std::string kernel = sys::read_file(library_path() + "/vmlinux", size_t{1} << 28).value();
    expect_clear_error(
        run({"true"}, {"--kernel", make_file("vmlinux", kernel.substr(0, kernel.size() / 2))}), 125,
        "kernel");
}

TEST_F(Failures, kernel_that_is_not_elf_is_refused) {
    expect_clear_error(run({"true"}, {"--kernel", make_file("vmlinux", std::string(4096, 'x'))}),
                       125, "not an ELF file");
}

TEST_F(Failures, guest_kernel_panic_is_reported_with_its_line) {
    Invocation invocation;
    invocation.arguments = {"run", "--quiet", "--memory", "128M", "--", "true"};
    invocation.environment = {"ANCHORHOLD_LIBRARY=" +
                              library_with("init.cpio", std::string(512, 'x'))};
    expect_clear_error(anchorhold(invocation), 125, "panic");
}

TEST_F(Failures, no_processors_are_refused) {
    expect_clear_error(run({"true"}, {"--cpus", "0"}), 125, "--cpus 0");
}

TEST_F(Failures, nine_processors_are_refused) {
    expect_clear_error(run({"true"}, {"--cpus", "9"}), 125, "--cpus 9");
}

TEST_F(Failures, memory_the_host_does_not_have_is_refused) {
    expect_clear_error(run({"true"}, {"--memory", "900G"}), 125, "900 GiB");
}

TEST_F(Failures, too_little_memory_is_refused) {
    expect_clear_error(run({"true"}, {"--memory", "8M"}), 125, "64 MiB");
}

TEST_F(Failures, killed_vmm_is_reported) {
    Running running = Running::command({"sh", "-c", "echo up; sleep 1000"});
    ASSERT_TRUE(running.wait_for("up\n")) << running.output();
    const auto vmm = vmm_of(running.pid());
    ASSERT_TRUE(vmm.has_value());
    ASSERT_EQ(::kill(*vmm, SIGKILL), 0);
    EXPECT_EQ(running.wait(), 125);
    EXPECT_NE(running.output().find("anchorhold: the VMM ended unexpectedly: killed by signal 9"),
              std::string::npos)
        << running.output();
}

TEST_F(Failures, vmm_killed_while_the_guest_boots_is_reported) {
    Running running = Running::command({"true"});
    const auto vmm = vmm_of(running.pid());
    ASSERT_TRUE(vmm.has_value());
    ASSERT_EQ(::kill(*vmm, SIGKILL), 0);
    EXPECT_EQ(running.wait(), 125) << running.output();
}

TEST_F(Failures, killed_cli_takes_its_vm_along) {
    Running running = Running::command({"sh", "-c", "echo up; sleep 1000"});
    ASSERT_TRUE(running.wait_for("up\n")) << running.output();
    running.signal(SIGKILL);
    EXPECT_EQ(running.wait(), 128 + SIGKILL);
}

TEST_F(Failures, full_host_disk_at_the_start_is_refused) {
    const std::string folder = private_folder() + "/full";
    std::filesystem::create_directory(folder);
    ASSERT_EQ(::mount("none", folder.c_str(), "tmpfs", 0, "size=16k"), 0);
    Invocation invocation;
    invocation.arguments = {"run", "--quiet", "--memory", "128M", "--", "true"};
    invocation.environment = {"XDG_CACHE_HOME=" + folder};
    const Completed done = anchorhold(invocation);
    ::umount2(folder.c_str(), MNT_DETACH);
    std::filesystem::remove(folder);
    expect_clear_error(done, 125, "No space left on device");
}

TEST_F(Failures, host_disk_that_fills_up_ends_the_run) {
    const std::string folder = private_folder() + "/filling";
    std::filesystem::create_directory(folder);
    ASSERT_EQ(::mount("none", folder.c_str(), "tmpfs", 0, "size=8m"), 0);
    Invocation invocation;
    invocation.arguments = {
        "run",      "--quiet",
        "--memory", "128M",
        "--",       "sh",
        "-c",       "dd if=/dev/zero of=$HOME/fill bs=1M count=64; sync; sleep 1000"};
    invocation.environment = {"XDG_CACHE_HOME=" + folder};
    const Completed done = anchorhold(invocation);
    ::umount2(folder.c_str(), MNT_DETACH);
    std::filesystem::remove(folder);
    EXPECT_EQ(done.status, 125) << done.err;
    EXPECT_NE(done.err.find("anchorhold: the sandbox's disk failed on this host"),
              std::string::npos)
        << done.err;
    EXPECT_NE(done.err.find("No space left on device"), std::string::npos) << done.err;
}

TEST_F(Failures, arguments_of_one_mib_in_all_reach_the_command) {
    std::vector<std::string> command = {"sh", "-c", "echo $#", "sh"};
    for (int i = 0; i < 16; ++i) {
        command.push_back(std::string(65536, 'a'));
    }
    const Completed done = run(command);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.out, "16\n");
}

TEST_F(Failures, argument_the_guest_cannot_take_gives_126) {
    // The host's execve takes at most 128 KiB for one string as well, so the long one is made by
    // the environment file of the guest's own limit: many strings that exceed a quarter of its
    // stack limit.
    std::vector<std::string> command = {"true"};
    for (int i = 0; i < 15; ++i) {
        command.push_back(std::string(131'000, 'a'));
    }
    const Completed done = run(command, {"-e", "FILL=" + std::string(131'000, 'b')});
    if (done.status == 0) {
        SUCCEED();  // the guest's limit was as large as ours: nothing to refuse
    } else {
        expect_clear_error(done, 126, "Argument list too long");
    }
}

TEST_F(Failures, unknown_option_is_refused_with_a_hint) {
    expect_clear_error(run({"true"}, {"--no-such-option"}), 125, "--help");
}

TEST_F(Failures, no_command_is_refused_with_the_usage) {
    Invocation invocation;
    invocation.arguments = {"run"};
    expect_clear_error(anchorhold(invocation), 125, "no command");
}

TEST_F(Failures, unwritable_size_is_refused) {
    expect_clear_error(run({"true"}, {"--disk", "much"}), 125, "'much' is not a size");
}

}  // namespace
}  // namespace anchorhold::vm_test
