// Headers of 110 hexadecimal characters, names and contents padded to four bytes.
#include "guest-init/cpio_archive.h"

#include <fmt/format.h>

#include "base/check.h"

namespace anchorhold::guest_init {
namespace {

constexpr size_t kHeaderSize = 110;
constexpr std::string_view kTrailer = "TRAILER!!!";

void pad(std::string& bytes) {
    bytes.resize((bytes.size() + 3) / 4 * 4);
}

void append_entry(std::string& bytes, uint32_t inode, const CpioEntry& entry) {
    // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
    // namesize, check
    const std::string header = fmt::format(
        "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
        inode, entry.mode, 0, 0, 1, 0, entry.content.size(), 0, 0, entry.device_major,
        entry.device_minor, entry.name.size() + 1, 0);
    ANCHORHOLD_CHECK(header.size() == kHeaderSize);
    bytes += header;
    bytes += entry.name;
    bytes += '\0';
    pad(bytes);
    bytes += entry.content;
    pad(bytes);
}

}  // namespace

void CpioArchive::add(const CpioEntry& entry) {
    append_entry(bytes_, next_inode_++, entry);
}

std::string CpioArchive::finish() {
    append_entry(bytes_, 0, {.name = kTrailer});
    next_inode_ = 1;
    return std::move(bytes_);
}

}  // namespace anchorhold::guest_init
