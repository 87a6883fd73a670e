// Packed disks as raw bytes: what is written, and what is refused before it harms the disk.
#include "supervisor/disk_template.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "temporary_folder.h"

namespace anchorhold::supervisor {
namespace {

constexpr uint64_t kDiskBytes = 1 << 20;

// Bytes of a literal, zero bytes included.
template <size_t N>
std::string raw(const char (&text)[N]) {
    return std::string(text, N - 1);
}

const std::string kHeader = raw("ahdisk1\0\0\0\x10\0\0\0\0\0");

std::string extent(const std::string& offset, const std::string& length) {
    const auto field = [](std::string bytes) {
        bytes.resize(8);
        return bytes;
    };
    return field(offset) + field(length);
}

TEST(PackDisk, extents_follow_the_header_as_these_bytes) {
    const TemporaryFolder folder;
    const OwnFd disk = sys::memfd("disk", kDiskBytes).value();
    const std::string page(4096, 'x');
    ASSERT_EQ(::pwrite(disk.get(), page.data(), page.size(), 8192), 4096);
    const std::string path = folder.path() + "/packed";
    ASSERT_TRUE(pack_disk(disk.get(), path));
    EXPECT_EQ(sys::read_file(path).value(), kHeader + extent(raw("\0\x20"), raw("\0\x10")) + page);
}

TEST(PackDisk, of_a_disk_full_of_data_is_refused) {
    const TemporaryFolder folder;
    const OwnFd disk = sys::memfd("disk", 0).value();
    const std::string much(17 << 20, 'x');
    ASSERT_TRUE(sys::write_all(disk.get(), much));
    EXPECT_FALSE(pack_disk(disk.get(), folder.path() + "/packed"));
    EXPECT_FALSE(std::filesystem::exists(folder.path() + "/packed"));
}

TEST(UnpackDisk, malformed_files_are_refused_with_name_and_reason) {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/packed";
    const std::string version = ": not the disk template of this version; run the set-up again";
    const std::string cut = ": cut off; run the set-up again";
    const std::string outside = ": an extent lies outside the disk; run the set-up again";
    const std::string most = raw("\xff\xff\xff\xff\xff\xff\xff\xff");
    const struct {
        const char* name;
        std::string content, message;
    } cases[] = {
        {"empty", "", version},
        {"header cut", kHeader.substr(0, 15), version},
        {"another magic", "x" + kHeader.substr(1), version},
        {"another size", kHeader.substr(0, 8) + raw("\0\0\x20\0\0\0\0\0"), version},
        {"extent cut", kHeader + raw("\0\0\0"), cut},
        {"bytes cut", kHeader + extent("", "\x04") + "abc", cut},
        {"length of everything", kHeader + extent("", most) + "abc", cut},
        {"beyond the end", kHeader + extent(raw("\0\0\x10"), "\x03") + "abc", outside},
        {"across the end", kHeader + extent(raw("\xfe\xff\x0f"), "\x03") + "abc", outside},
        {"end that overflows", kHeader + extent(most, "\x03") + "abc", outside},
    };
    for (const auto& test : cases) {
        folder.write("packed", test.content);
        const OwnFd disk = sys::memfd("disk", kDiskBytes).value();
        const Status unpacked = unpack_disk(path, disk.get(), kDiskBytes);
        ASSERT_FALSE(unpacked) << test.name;
        EXPECT_EQ(unpacked.error().message, path + test.message) << test.name;
        EXPECT_EQ(sys::file_size(disk.get(), "disk").value(), kDiskBytes) << test.name;
    }
}

TEST(UnpackDisk, extents_up_to_the_last_byte_are_written) {
    const TemporaryFolder folder;
    const std::string path =
        folder.write("packed", kHeader + extent("", "\x03") + "abc" + extent("", "") +
                                   extent(raw("\xfd\xff\x0f"), "\x03") + "xyz");
    const OwnFd disk = sys::memfd("disk", kDiskBytes).value();
    ASSERT_TRUE(unpack_disk(path, disk.get(), kDiskBytes));
    std::string ends(6, '?');
    EXPECT_EQ(::pread(disk.get(), ends.data(), 3, 0), 3);
    EXPECT_EQ(::pread(disk.get(), ends.data() + 3, 3, kDiskBytes - 3), 3);
    EXPECT_EQ(ends, "abcxyz");
}

TEST(UnpackDisk, missing_file_has_its_errno) {
    EXPECT_EQ(unpack_disk("/nonexistent", 0, kDiskBytes).error().code, ENOENT);
}

}  // namespace
}  // namespace anchorhold::supervisor
