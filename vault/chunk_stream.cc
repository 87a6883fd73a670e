// Buffers around FileCipher.
#include "vault/chunk_stream.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

#include "base/sys.h"
#include "snapshot/file_io.h"

namespace anchorhold::vault {

ChunkWriter::ChunkWriter(int target, FileCipher& cipher)
    : target_(target), cipher_(cipher), plain_(kChunkBytes), sealed_(kChunkBytes + kTagBytes) {}

ChunkWriter::~ChunkWriter() {
    ::OPENSSL_cleanse(plain_.data(), plain_.size());
}

Status ChunkWriter::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        // Only once more comes: whichever chunk is the last must be known before it is sealed.
        if (used_ == plain_.size()) {
            ANCHORHOLD_TRY(flush(Last::kNo));
        }
        const size_t count = std::min(bytes.size(), plain_.size() - used_);
        std::memcpy(plain_.data() + used_, bytes.data(), count);
        used_ += count;
        bytes = bytes.subspan(count);
    }
    return {};
}

Status ChunkWriter::finish() {
    return flush(Last::kYes);
}

Status ChunkWriter::put(std::span<const std::byte> bytes) {
    ANCHORHOLD_TRY(snapshot::write_at(target_, bytes, offset_, "encrypted file"));
    offset_ += bytes.size();
    return {};
}

Status ChunkWriter::flush(Last last) {
    if (number_ == 0) {
        ANCHORHOLD_TRY(put(std::as_bytes(std::span(cipher_.header()))));
    }
    const auto sealed = std::span(sealed_).first(used_ + kTagBytes);
    cipher_.seal(number_++, last, std::span(plain_).first(used_), sealed);
    used_ = 0;
    return put(sealed);
}

ChunkReader::ChunkReader(int source, uint64_t file_bytes, FileCipher& cipher)
    : source_(source),
      cipher_(cipher),
      end_(std::max<uint64_t>(file_bytes, kHeaderBytes)),
      sealed_(kChunkBytes + kTagBytes),
      plain_(kChunkBytes) {}

ChunkReader::~ChunkReader() {
    ::OPENSSL_cleanse(plain_.data(), plain_.size());
}

Status ChunkReader::fill() {
    const uint64_t rest = end_ - offset_;
    const auto sealed = std::span(sealed_).first(std::min<uint64_t>(rest, sealed_.size()));
    const auto damaged = [&] {
        return fail(fmt::format("encrypted file: damaged or cut off, found at byte {}", offset_));
    };
    if (sealed.size() <= kTagBytes) {
        return damaged();
    }
    ANCHORHOLD_TRY(sys::read_exact_at(source_, sealed, offset_, "encrypted file"));
    const auto plain = std::span(plain_).first(sealed.size() - kTagBytes);
    const Last last = sealed.size() == rest ? Last::kYes : Last::kNo;
    if (!cipher_.open_chunk(number_, last, sealed, plain)) {
        return damaged();
    }
    ++number_;
    offset_ += sealed.size();
    left_ = plain;
    return {};
}

Result<std::span<const std::byte>> ChunkReader::next(uint64_t most) {
    if (left_.empty()) {
        ANCHORHOLD_TRY(fill());
    }
    const auto bytes = left_.first(std::min<uint64_t>(most, left_.size()));
    left_ = left_.subspan(bytes.size());
    return bytes;
}

Status ChunkReader::read(std::span<std::byte> out) {
    while (!out.empty()) {
        const auto bytes = ANCHORHOLD_TRY(next(out.size()));
        std::memcpy(out.data(), bytes.data(), bytes.size());
        out = out.subspan(bytes.size());
    }
    return {};
}

}  // namespace anchorhold::vault
