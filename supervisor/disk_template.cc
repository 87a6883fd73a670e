// Extents out, extents in.
#include "supervisor/disk_template.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/checked_math.h"
#include "base/endian.h"
#include "base/sys.h"

namespace anchorhold::supervisor {
namespace {

struct PackedHeader {
    Le64 magic;
    Le64 disk_bytes;
};
static_assert(sizeof(PackedHeader) == 16);
struct PackedExtent {
    Le64 offset;
    Le64 length;
};
static_assert(sizeof(PackedExtent) == 16);

constexpr uint64_t kMagic = 0x316b73'6964'6861;  // "ahdisk1"
constexpr size_t kMaxPackedBytes = size_t{16} << 20;

template <typename T>
void append(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Takes a T off the front of `rest`; false when it is too short.
template <typename T>
bool take(std::string_view& rest, T& value) {
    if (rest.size() < sizeof value) {
        return false;
    }
    std::memcpy(&value, rest.data(), sizeof value);
    rest.remove_prefix(sizeof value);
    return true;
}

Status write_at(int fd, std::string_view bytes, uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0) {
            return fail_errno("write");
        }
        bytes.remove_prefix(static_cast<size_t>(count));
        offset += static_cast<uint64_t>(count);
    }
    return {};
}

}  // namespace

Status pack_disk(int disk, const std::string& path) {
    std::string packed;
    append(packed, PackedHeader{kMagic, ANCHORHOLD_TRY(sys::file_size(disk, "disk"))});
    off_t position = 0;
    for (;;) {
        const off_t data = ::lseek(disk, position, SEEK_DATA);
        if (data < 0) {
            return errno == ENXIO ? sys::write_file(path, packed)
                                  : Status(fail_errno("lseek SEEK_DATA", "disk"));
        }
        position = ::lseek(disk, data, SEEK_HOLE);
        if (position < 0) {
            return fail_errno("lseek SEEK_HOLE", "disk");
        }
        const auto length = static_cast<size_t>(position - data);
        if (packed.size() + length > kMaxPackedBytes) {
            return fail(
                "the empty file system has too much in it; was it made on a file system without "
                "holes?");
        }
        append(packed, PackedExtent{static_cast<uint64_t>(data), length});
        std::vector<std::byte> bytes(length);
        ANCHORHOLD_TRY(sys::read_exact_at(disk, bytes, static_cast<uint64_t>(data), "disk"));
        packed.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
}

Status unpack_disk(const std::string& path, int disk, uint64_t disk_bytes) {
    const std::string packed = ANCHORHOLD_TRY(sys::read_file(path, kMaxPackedBytes));
    std::string_view rest = packed;
    PackedHeader header;
    if (!take(rest, header) || header.magic != kMagic || header.disk_bytes != disk_bytes) {
        return fail(path + ": not the disk template of this version; run the set-up again");
    }
    while (!rest.empty()) {
        PackedExtent extent;
        if (!take(rest, extent) || extent.length > rest.size()) {
            return fail(path + ": cut off; run the set-up again");
        }
        const auto end =
            (Checked<uint64_t>(extent.offset) + Checked<uint64_t>(extent.length)).value();
        if (!end || *end > disk_bytes) {
            return fail(path + ": an extent lies outside the disk; run the set-up again");
        }
        ANCHORHOLD_TRY(write_at(disk, rest.substr(0, extent.length), extent.offset));
        rest.remove_prefix(extent.length);
    }
    return {};
}

}  // namespace anchorhold::supervisor
