// Disks on real file systems: unpacked templates, odd sizes, and nothing left where there is no
// room.
#include "supervisor/disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/disk_template.h"
#include "supervisor/spec.h"
#include "temporary_folder.h"

namespace anchorhold::supervisor {
namespace {

using Piece = std::pair<uint64_t, std::string>;

// A packed template of a disk with data at these places.
std::string make_template(const TemporaryFolder& folder, const std::vector<Piece>& pieces) {
    const OwnFd file = sys::open(folder.write("sparse", ""), O_RDWR).value();
    EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(kDefaultDiskBytes)), 0);
    for (const auto& [offset, bytes] : pieces) {
        EXPECT_EQ(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
                  static_cast<ssize_t>(bytes.size()));
    }
    const std::string path = folder.path() + "/disk.template";
    const Status packed = pack_disk(file.get(), path);
    EXPECT_TRUE(packed) << packed.error().message;
    return path;
}

std::string read_at(const OwnFd& file, uint64_t offset, size_t size) {
    std::string bytes(size, '?');
    EXPECT_TRUE(
        sys::read_exact_at(file.get(), std::as_writable_bytes(std::span(bytes)), offset, "disk"));
    return bytes;
}

struct stat status_of(const OwnFd& file) {
    struct stat status {};
    EXPECT_EQ(::fstat(file.get(), &status), 0);
    return status;
}

bool is_ext4(const OwnFd& disk) {
    return read_at(disk, 1024 + 56, 2) == "\x53\xef";
}

TEST(MakeDisk, of_default_size_is_the_template_unpacked_and_sparse) {
    const TemporaryFolder folder;
    const std::vector<Piece> pieces = {{0, std::string(5000, 'a')},
                                       {uint64_t{1} << 30, std::string(700'000, 'b')},
                                       {kDefaultDiskBytes - 3, "end"}};
    const OwnFd disk =
        make_disk({kDefaultDiskBytes, folder.path() + "/new/disks", make_template(folder, pieces)})
            .value();
    const struct stat status = status_of(disk);
    EXPECT_EQ(static_cast<uint64_t>(status.st_size), kDefaultDiskBytes);
    EXPECT_LT(status.st_blocks * 512, 4 << 20);
    for (const auto& [offset, bytes] : pieces) {
        EXPECT_EQ(read_at(disk, offset, bytes.size()), bytes);
    }
    EXPECT_EQ(read_at(disk, 8192, 4), std::string(4, '\0'));
}

TEST(MakeDisk, disk_is_independent_of_the_template_and_of_its_siblings) {
    const TemporaryFolder folder;
    const DiskRequest request{kDefaultDiskBytes, folder.path() + "/disks",
                              make_template(folder, {{0, "same"}})};
    const OwnFd first = make_disk(request).value();
    const OwnFd second = make_disk(request).value();
    ASSERT_EQ(::pwrite(first.get(), "mine", 4, 0), 4);
    EXPECT_EQ(read_at(second, 0, 4), "same");
    EXPECT_EQ(read_at(make_disk(request).value(), 0, 4), "same");
}

TEST(MakeDisk, on_a_file_system_in_memory_is_whole) {
    const TemporaryFolder folder;
    const std::string data(600'000, 'x');
    const std::string memory =
        "/dev/shm/" + std::filesystem::path(folder.path()).filename().string();
    const auto disk = make_disk({kDefaultDiskBytes, memory, make_template(folder, {{4096, data}})});
    std::filesystem::remove_all(memory);
    ASSERT_TRUE(disk) << disk.error().message;
    EXPECT_EQ(read_at(*disk, 4096, data.size()), data);
}

TEST(MakeDisk, has_no_name_and_closes_on_exec) {
    const TemporaryFolder folder;
    const std::string disks = folder.path() + "/disks";
    const OwnFd disk = make_disk({kDefaultDiskBytes, disks, make_template(folder, {})}).value();
    EXPECT_EQ(status_of(disk).st_nlink, 0U);
    EXPECT_TRUE(std::filesystem::is_empty(disks));
    EXPECT_NE(::fcntl(disk.get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(status_of(disk).st_mode & 0777U, 0600U);
}

TEST(MakeDisk, of_odd_size_is_formatted_and_clean) {
    const TemporaryFolder folder;
    for (const uint64_t bytes : {kMinDiskBytes, uint64_t{100} * 1024 * 1024 + 4096}) {
        const auto disk = make_disk({bytes, folder.path() + "/disks", make_template(folder, {})});
        ASSERT_TRUE(disk) << disk.error().message;
        EXPECT_EQ(static_cast<uint64_t>(status_of(*disk).st_size), bytes);
        EXPECT_TRUE(is_ext4(*disk));
        const std::string check = "/sbin/e2fsck -fn /proc/" + std::to_string(::getpid()) + "/fd/" +
                                  std::to_string(disk->get()) + " >/dev/null 2>&1";
        EXPECT_EQ(std::system(check.c_str()), 0)
            << bytes;  // NOLINT(concurrency-mt-unsafe,cert-env33-c)
    }
}

TEST(MakeDisk, without_a_template_is_formatted_sparsely) {
    const TemporaryFolder folder;
    for (const std::string& missing : {std::string(), folder.path() + "/missing"}) {
        const auto disk = make_disk({kDefaultDiskBytes, folder.path() + "/disks", missing});
        ASSERT_TRUE(disk) << disk.error().message;
        EXPECT_TRUE(is_ext4(*disk));
        EXPECT_LT(status_of(*disk).st_blocks * 512, 16 << 20);
    }
}

TEST(MakeDisk, template_that_cannot_be_opened_is_an_error) {
    const TemporaryFolder folder;
    const std::string loop = folder.path() + "/loop";
    std::filesystem::create_symlink(loop, loop);
    const auto disk = make_disk({kDefaultDiskBytes, folder.path() + "/disks", loop});
    ASSERT_FALSE(disk);
    EXPECT_EQ(disk.error().message, "disk in " + folder.path() + "/disks: open " + loop +
                                        ": Too many levels of symbolic links");
}

TEST(MakeDisk, folder_that_cannot_be_made_is_named) {
    const TemporaryFolder folder;
    const std::string under_file = folder.write("file", "") + "/disks";
    const auto disk = make_disk({kDefaultDiskBytes, under_file, ""});
    ASSERT_FALSE(disk);
    EXPECT_EQ(disk.error().message, "make folder " + under_file + ": Not a directory");
}

TEST(MakeDisk, larger_than_a_file_may_be_is_refused_with_its_size_and_folder) {
    const TemporaryFolder folder;
    rlimit found{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &found), 0);
    const rlimit tight{kMinDiskBytes, found.rlim_max};
    ::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto disk = make_disk({kDefaultDiskBytes, folder.path() + "/disks", ""});
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &found), 0);
    ASSERT_FALSE(disk);
    EXPECT_EQ(disk.error().message, "disk of 4 GiB in " + folder.path() + "/disks: File too large");
}

// A file system of 16 KiB, mounted for this process alone.
class SmallFileSystem {
  public:
    explicit SmallFileSystem(std::string path) : path_(std::move(path)) {
        std::filesystem::create_directories(path_);
        EXPECT_TRUE(::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
        EXPECT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        EXPECT_EQ(::mount("small", path_.c_str(), "tmpfs", 0, "size=16k"), 0);
    }
    SmallFileSystem(const SmallFileSystem&) = delete;
    SmallFileSystem& operator=(const SmallFileSystem&) = delete;
    ~SmallFileSystem() {
        EXPECT_EQ(::umount(path_.c_str()), 0);
    }  // fails where something is still open

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] uint64_t free_blocks() const {
        struct statfs status {};
        EXPECT_EQ(::statfs(path_.c_str(), &status), 0);
        return status.f_bfree;
    }

  private:
    std::string path_;
};

TEST(MakeDisk, unpacking_on_a_full_file_system_is_an_error_and_leaves_nothing) {
    const TemporaryFolder folder;
    const std::string source = make_template(folder, {{0, std::string(1 << 20, 'x')}});
    const SmallFileSystem small(folder.path() + "/small");
    const uint64_t free_before = small.free_blocks();
    const auto disk = make_disk({kDefaultDiskBytes, small.path(), source});
    ASSERT_FALSE(disk);
    EXPECT_EQ(disk.error().code, ENOSPC);
    EXPECT_EQ(disk.error().message, "disk in " + small.path() + ": write: No space left on device");
    EXPECT_TRUE(std::filesystem::is_empty(small.path()));
    EXPECT_EQ(small.free_blocks(), free_before);
}

TEST(MakeDisk, formatting_on_a_full_file_system_is_an_error_and_leaves_nothing) {
    const TemporaryFolder folder;
    const SmallFileSystem small(folder.path() + "/small");
    const uint64_t free_before = small.free_blocks();
    const auto disk = make_disk({uint64_t{1} << 30, small.path(), ""});
    ASSERT_FALSE(disk);
    EXPECT_EQ(disk.error().message,
              "disk: mkfs.ext4 could not format it in " + small.path() + " (is there space left?)");
    EXPECT_TRUE(std::filesystem::is_empty(small.path()));
    EXPECT_EQ(small.free_blocks(), free_before);
}

TEST(DefaultDiskFolder, follows_xdg_then_home_then_var_tmp) {
    const struct {
        const char* cache;
        const char* home;
        const char* expected;
    } cases[] = {
        {"/cache", "/home/a", "/cache/anchorhold/disks"},
        {"", "/home/a", "/home/a/.cache/anchorhold/disks"},
        {"relative", "/home/a",
         "/home/a/.cache/anchorhold/disks"},  // the XDG specification: ignore it
        {nullptr, "/home/a", "/home/a/.cache/anchorhold/disks"},
        {nullptr, "relative", "/var/tmp"},
        {nullptr, nullptr, "/var/tmp"},
    };
    const auto set = [](const char* name, const char* value) {
        return value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
    };
    for (const auto& test : cases) {
        ASSERT_EQ(set("XDG_CACHE_HOME", test.cache), 0);
        ASSERT_EQ(set("HOME", test.home), 0);
        EXPECT_EQ(default_disk_folder(), test.expected);
    }
}

}  // namespace
}  // namespace anchorhold::supervisor
