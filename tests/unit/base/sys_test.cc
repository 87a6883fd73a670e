// System calls on real files and pipes: results, bounds, and the texts of failures.
#include "base/sys.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>

namespace anchorhold::sys {
namespace {

class SysTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "sys-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    std::string folder;
};

bool closes_on_exec(int fd) {
    return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(SysTest, failures_name_call_object_and_reason) {
    std::array<std::byte, 4> four{};
    const std::string missing = folder + "/missing";
    const Pipe ends = pipe().value();
    const struct {
        Error error;
        std::string message;
        int code;
    } cases[] = {
        {open(missing, O_RDONLY).error(), "open " + missing + ": No such file or directory",
         ENOENT},
        {read_file(missing).error(), "open " + missing + ": No such file or directory", ENOENT},
        {write_file(folder, "x").error(), "open " + folder + ": Is a directory", EISDIR},
        {read_file(folder).error(), "read " + folder + ": Is a directory", EISDIR},
        {dup_cloexec(-1).error(), "fcntl F_DUPFD_CLOEXEC -1: Bad file descriptor", EBADF},
        {read_some(-1, four).error(), "read: Bad file descriptor", EBADF},
        {write_some(-1, four).error(), "write: Bad file descriptor", EBADF},
        {write_all(-1, "x").error(), "write: Bad file descriptor", EBADF},
        {read_exact_at(-1, four, 0, "the file").error(), "read the file: Bad file descriptor",
         EBADF},
        {file_size(-1, "the file").error(), "fstat the file: Bad file descriptor", EBADF},
        {file_size(ends.read_end.get(), "the pipe").error(),
         "the pipe is neither a regular file nor a block device", EINVAL},
        {set_nonblocking(-1).error(), "fcntl O_NONBLOCK -1: Bad file descriptor", EBADF},
        {pidfd_open(0).error(), "pidfd_open 0: Invalid argument", EINVAL},
        {socket_pair(12345).error(), "socketpair: Invalid argument", EINVAL},
        {memfd("m", UINT64_MAX).error(),
         "ftruncate m to 18446744073709551615 bytes: Invalid argument", EINVAL},
    };
    for (const auto& test : cases) {
        EXPECT_EQ(test.error.message, test.message);
        EXPECT_EQ(test.error.code, test.code) << test.message;
    }
}

TEST_F(SysTest, write_all_to_full_device_names_no_space) {
    const Status written = write_file("/dev/full", "x");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().message, "/dev/full: write: No space left on device");
    EXPECT_EQ(written.error().code, ENOSPC);
}

TEST_F(SysTest, every_new_descriptor_closes_on_exec) {
    EXPECT_TRUE(closes_on_exec(open("/dev/null", O_RDONLY).value().get()));
    EXPECT_TRUE(closes_on_exec(dup_cloexec(0).value().get()));
    const Pipe ends = pipe(O_NONBLOCK).value();
    EXPECT_TRUE(closes_on_exec(ends.read_end.get()));
    EXPECT_TRUE(closes_on_exec(ends.write_end.get()));
    const auto sockets = socket_pair(SOCK_STREAM).value();
    EXPECT_TRUE(closes_on_exec(sockets.first.get()));
    EXPECT_TRUE(closes_on_exec(sockets.second.get()));
    EXPECT_TRUE(closes_on_exec(memfd("m", 1).value().get()));
    EXPECT_TRUE(closes_on_exec(event_fd().value().get()));
    EXPECT_TRUE(closes_on_exec(pidfd_open(::getpid()).value().get()));
}

TEST_F(SysTest, file_written_is_read_back_and_truncates_what_was_there) {
    const std::string path = folder + "/file";
    std::string content(100'000, 'x');
    content[50'000] = '\0';
    ASSERT_TRUE(write_file(path, content));
    EXPECT_EQ(read_file(path).value(), content);
    ASSERT_TRUE(write_file(path, "short"));
    EXPECT_EQ(read_file(path).value(), "short");
}

TEST_F(SysTest, read_file_of_exactly_the_limit_passes_and_one_more_is_refused) {
    const std::string path = folder + "/file";
    ASSERT_TRUE(write_file(path, std::string(5000, 'x')));
    EXPECT_EQ(read_file(path, 5000).value().size(), 5000U);
    const auto refused = read_file(path, 4999);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "read " + path + ": larger than 4999 bytes");
}

TEST_F(SysTest, read_some_of_empty_pipe_would_block_then_ends) {
    Pipe ends = pipe(O_NONBLOCK).value();
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(read_some(ends.read_end.get(), buffer).value(), std::nullopt);
    ASSERT_TRUE(write_all(ends.write_end.get(), "abc"));
    EXPECT_EQ(read_some(ends.read_end.get(), buffer).value(), 3U);
    EXPECT_EQ(text_of(std::span(buffer).first(3)), "abc");
    ends.write_end.reset();
    EXPECT_EQ(read_some(ends.read_end.get(), buffer).value(), 0U);
}

TEST_F(SysTest, write_some_to_full_pipe_would_block) {
    const Pipe ends = pipe(O_NONBLOCK).value();
    const std::array<std::byte, 4096> page{};
    while (write_some(ends.write_end.get(), page).value().has_value()) {
    }
    EXPECT_EQ(write_some(ends.write_end.get(), page).value(), std::nullopt);
}

TEST_F(SysTest, write_to_pipe_without_reader_is_an_error) {
    ::signal(SIGPIPE, SIG_IGN);
    Pipe ends = pipe().value();
    ends.read_end.reset();
    EXPECT_EQ(write_all(ends.write_end.get(), "x").error().message, "write: Broken pipe");
}

TEST_F(SysTest, read_exact_at_of_short_file_says_where_it_ends_and_what_is_missing) {
    const OwnFd file = memfd("m", 10).value();
    std::array<std::byte, 4> four{};
    EXPECT_TRUE(read_exact_at(file.get(), four, 6, "image"));
    const Status status = read_exact_at(file.get(), four, 8, "image");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message, "read image: ends at byte 10, 2 bytes short");
}

TEST_F(SysTest, file_size_of_regular_file_is_its_length) {
    EXPECT_EQ(file_size(memfd("m", 12345).value().get(), "m").value(), 12345U);
}

}  // namespace
}  // namespace anchorhold::sys
