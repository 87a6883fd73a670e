// The archive writer against the bytes of the format.
#include "guest-init/cpio_archive.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace anchorhold::guest_init {
namespace {

TEST(CpioArchive, entry_is_header_name_and_padded_content) {
    CpioArchive archive;
    archive.add({.name = "init", .mode = S_IFREG | 0755, .content = "hello"});
    const std::string bytes = archive.finish();
    EXPECT_EQ(bytes.substr(0, 6), "070701");
    EXPECT_EQ(bytes.substr(6, 8), "00000001") << "inode";
    EXPECT_EQ(bytes.substr(14, 8), "000081ED") << "mode";
    EXPECT_EQ(bytes.substr(54, 8), "00000005") << "file size";
    EXPECT_EQ(bytes.substr(94, 8), "00000005") << "name size with its NUL";
    EXPECT_EQ(bytes.substr(110, 10), std::string("init\0\0hell", 10)) << "name padded to 116";
    EXPECT_EQ(bytes.substr(116, 8), std::string("hello\0\0\0", 8));
    EXPECT_EQ(bytes.substr(124, 6), "070701");
    EXPECT_NE(bytes.find("TRAILER!!!"), std::string::npos);
    EXPECT_EQ(bytes.size() % 4, 0U);
}

TEST(CpioArchive, device_node_has_its_numbers) {
    CpioArchive archive;
    archive.add({.name = "c", .mode = S_IFCHR | 0600, .device_major = 5, .device_minor = 1});
    const std::string bytes = archive.finish();
    EXPECT_EQ(bytes.substr(78, 16), "0000000500000001");
}

TEST(CpioArchive, same_entries_give_the_same_bytes) {
    const auto make = [] {
        CpioArchive archive;
        archive.add({.name = "dev", .mode = S_IFDIR | 0755});
        return archive.finish();
    };
    EXPECT_EQ(make(), make());
}

}  // namespace
}  // namespace anchorhold::guest_init
