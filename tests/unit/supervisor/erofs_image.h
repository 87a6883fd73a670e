// The bytes of an EROFS superblock as our checks see it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "base/endian.h"

namespace anchorhold::supervisor {

struct ErofsFields {
    uint32_t magic = 0xE0F5E1E2;  // at byte 1024 of the file
    uint8_t block_size_bits = 12;
    uint32_t blocks = 1;
    size_t file_bytes = 4096;
};

// A file that begins like an EROFS file system (fs/erofs/erofs_fs.h: magic at 0, block size bits at
// 12, blocks at 36).
inline std::string erofs_image(const ErofsFields& fields = {}) {
    std::string file(1024 + 128, '\0');
    const Le32 magic(fields.magic);
    const Le32 blocks(fields.blocks);
    std::memcpy(file.data() + 1024, &magic, sizeof magic);
    file[1024 + 12] = static_cast<char>(fields.block_size_bits);
    std::memcpy(file.data() + 1024 + 36, &blocks, sizeof blocks);
    file.resize(fields.file_bytes);
    return file;
}

}  // namespace anchorhold::supervisor
