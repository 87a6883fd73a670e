// The EROFS superblock is read here only to say what is wrong with a file; the guest's kernel is
// who trusts it.
#include "supervisor/image.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "base/endian.h"
#include "base/sys.h"

namespace anchorhold::supervisor {
namespace {

// On-disk superblock, fs/erofs/erofs_fs.h of Linux 6.12: at byte 1024, the first 48 bytes of 128.
struct ErofsSuperblock {
    Le32 magic;
    Le32 checksum;
    Le32 feature_compat;
    uint8_t block_size_bits;
    uint8_t extension_slots;
    Le16 root_nid;
    Le64 inodes;
    Le64 build_time;
    Le32 build_time_nsec;
    Le32 blocks;
    Le32 meta_block_address;
    Le32 xattr_block_address;
};
static_assert(sizeof(ErofsSuperblock) == 48);
constexpr uint32_t kErofsMagic = 0xE0F5E1E2;
constexpr uint64_t kSuperblockOffset = 1024;

// A FIFO without a writer must be refused, not waited for; regular files and block devices do not
// mind.
constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK;

}  // namespace

Result<OwnFd> open_image(const std::string& path) {
    auto image = sys::open(path, kOpenFlags);
    if (!image) {
        return tl::unexpected(
            Error{"image " + path + ": " + errno_text(image.error().code), image.error().code});
    }
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(image->get(), "image " + path));
    if (size < kSuperblockOffset + 128) {
        return fail(
            fmt::format("image {}: {} bytes are too few for an EROFS file system", path, size));
    }
    ErofsSuperblock superblock;
    ANCHORHOLD_TRY(sys::read_exact_at(image->get(),
                                      std::as_writable_bytes(std::span(&superblock, size_t{1})),
                                      kSuperblockOffset, "image " + path));
    if (superblock.magic != kErofsMagic) {
        return fail(fmt::format("image {}: not an EROFS file system", path));
    }
    if (superblock.block_size_bits < 9 || superblock.block_size_bits > 16) {
        return fail(fmt::format("image {}: corrupt EROFS superblock", path));
    }
    const uint64_t needed = uint64_t{superblock.blocks} << superblock.block_size_bits;
    if (needed > size) {
        return fail(fmt::format("image {}: truncated: its file system has {} bytes, the file {}",
                                path, needed, size));
    }
    return std::move(*image);
}

Result<OwnFd> open_kernel(const std::string& path) {
    auto kernel = sys::open(path, kOpenFlags);
    if (!kernel) {
        return tl::unexpected(
            Error{"kernel " + path + ": " + errno_text(kernel.error().code), kernel.error().code});
    }
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(kernel->get(), "kernel " + path));
    constexpr std::array<char, 4> kElfMagic = {0x7f, 'E', 'L', 'F'};
    std::array<char, 4> magic{};
    if (size < 64) {
        return fail(fmt::format("kernel {}: {} bytes are too few for an ELF file", path, size));
    }
    ANCHORHOLD_TRY(sys::read_exact_at(kernel->get(), std::as_writable_bytes(std::span(magic)), 0,
                                      "kernel " + path));
    if (magic != kElfMagic) {
        return fail(
            fmt::format("kernel {}: not an ELF file (an uncompressed vmlinux is needed)", path));
    }
    return std::move(*kernel);
}

}  // namespace anchorhold::supervisor
