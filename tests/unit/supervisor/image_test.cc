// Broken images and kernels: one clear line each, before a VM exists.
#include "supervisor/image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "erofs_image.h"
#include "temporary_folder.h"

namespace anchorhold::supervisor {
namespace {

std::string error_of(const Result<OwnFd>& result) {
    return result ? "(opened)" : result.error().message;
}

std::string elf(size_t size) {
    std::string file =
        "\x7f"
        "ELF";
    file.resize(size);
    return file;
}

TEST(OpenImage, good_superblocks_are_opened_read_only) {
    const TemporaryFolder folder;
    const ErofsFields cases[] = {
        {},
        {.block_size_bits = 9, .blocks = 3, .file_bytes = 1536},
        {.block_size_bits = 16, .blocks = 1, .file_bytes = 65536},
        {.blocks = 1, .file_bytes = 10'000},  // padded at its end
    };
    for (const ErofsFields& fields : cases) {
        const auto image = open_image(folder.write("image", erofs_image(fields)));
        ASSERT_TRUE(image) << image.error().message;
        EXPECT_EQ(::fcntl(image->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
    }
}

TEST(OpenImage, broken_files_are_refused_with_name_and_reason) {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/image";
    const struct {
        std::string content, message;
    } cases[] = {
        {"", "0 bytes are too few for an EROFS file system"},
        {std::string(1151, 'x'), "1151 bytes are too few for an EROFS file system"},
        {std::string(4096, '\0'), "not an EROFS file system"},
        {elf(4096), "not an EROFS file system"},
        {erofs_image({.magic = 0xE2E1F5E0}), "not an EROFS file system"},
        {erofs_image({.block_size_bits = 8}), "corrupt EROFS superblock"},
        {erofs_image({.block_size_bits = 17}), "corrupt EROFS superblock"},
        {erofs_image({.block_size_bits = 255}), "corrupt EROFS superblock"},
        {erofs_image({.blocks = 1, .file_bytes = 4095}),
         "truncated: its file system has 4096 bytes, the file 4095"},
        {erofs_image({.block_size_bits = 16, .blocks = UINT32_MAX}),
         "truncated: its file system has 281474976645120 bytes, the file 4096"},
    };
    for (const auto& test : cases) {
        folder.write("image", test.content);
        EXPECT_EQ(error_of(open_image(path)), "image " + path + ": " + test.message);
    }
}

TEST(OpenImage, real_file_system_passes_whole_and_fails_cut) {
    const TemporaryFolder folder;
    folder.write("tree/file", std::string(50'000, 'x'));
    const std::string path = folder.path() + "/image.erofs";
    const std::string command =
        "mkfs.erofs " + path + " " + folder.path() + "/tree >/dev/null 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe,cert-env33-c)
    EXPECT_EQ(error_of(open_image(path)), "(opened)");
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4096);
    EXPECT_NE(error_of(open_image(path)).find(": truncated: its file system has "),
              std::string::npos);
}

TEST(OpenImageAndKernel, what_is_no_file_is_refused_and_not_waited_for) {
    const TemporaryFolder folder;
    const std::string fifo = folder.path() + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const std::string kind = " is neither a regular file nor a block device";
    EXPECT_EQ(error_of(open_image(fifo)), "image " + fifo + kind);
    EXPECT_EQ(error_of(open_kernel(fifo)), "kernel " + fifo + kind);
    EXPECT_EQ(error_of(open_image(folder.path())), "image " + folder.path() + kind);
    EXPECT_EQ(error_of(open_kernel("/dev/zero")), "kernel /dev/zero" + kind);
}

TEST(OpenImageAndKernel, missing_file_is_an_error_with_errno) {
    EXPECT_EQ(error_of(open_image("/nonexistent/x")),
              "image /nonexistent/x: No such file or directory");
    EXPECT_EQ(error_of(open_kernel("/nonexistent/x")),
              "kernel /nonexistent/x: No such file or directory");
    EXPECT_EQ(open_image("/nonexistent/x").error().code, ENOENT);
}

TEST(OpenKernel, only_what_begins_like_elf_is_opened) {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/kernel";
    const std::string head = "kernel " + path + ": ";
    const struct {
        std::string content, message;
    } cases[] = {
        {elf(64), "(opened)"},
        {elf(1 << 20), "(opened)"},
        {"", head + "0 bytes are too few for an ELF file"},
        {elf(63), head + "63 bytes are too few for an ELF file"},
        {std::string(64, '\0'), head + "not an ELF file (an uncompressed vmlinux is needed)"},
        {"MZ" + std::string(1000, 'x'),
         head + "not an ELF file (an uncompressed vmlinux is needed)"},
    };
    for (const auto& test : cases) {
        folder.write("kernel", test.content);
        EXPECT_EQ(error_of(open_kernel(path)), test.message);
    }
}

}  // namespace
}  // namespace anchorhold::supervisor
