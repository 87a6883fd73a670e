// Zstandard, one frame a chunk.
#include "pager/compressed_memory.h"

#include <fmt/format.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/endian.h"
#include "base/sys.h"
#include "snapshot/file_io.h"
#include "snapshot/memory_digests.h"
#include "snapshot/sealed.h"
#include "snapshot/sparse_memory.h"

namespace anchorhold::pager {
namespace {

using snapshot::chunk_count;
using snapshot::kChunkBytes;

struct HeadStart {
    Le64 memory_bytes;
    Le64 chunk_bytes;
};
static_assert(sizeof(HeadStart) == 16);

constexpr snapshot::Format kFormat{
    .kind = snapshot::Kind::kCompressedMemory,
    .version = 1,
    .max_payload = sizeof(HeadStart) + chunk_count(snapshot::kMaxDigestedMemory) * sizeof(Le32)};
constexpr size_t kMaxFrame = ZSTD_COMPRESSBOUND(kChunkBytes);
// Fast, and little is gained above it in chunks of this size.
constexpr int kLevel = 3;
// Frames are written together.
constexpr size_t kWriteBuffer = size_t{1} << 20;

size_t bytes_of_chunk(uint64_t memory_bytes, uint64_t index) {
    return std::min(kChunkBytes, memory_bytes - index * kChunkBytes);
}

Status check_bounds(uint64_t memory_bytes) {
    if (memory_bytes == 0 || memory_bytes > snapshot::kMaxDigestedMemory) {
        return fail(
            fmt::format("compressed memory file: of a memory of {} bytes, 1 to {} are "
                        "possible",
                        memory_bytes, snapshot::kMaxDigestedMemory));
    }
    return {};
}

uint64_t head_bytes(uint64_t memory_bytes) {
    return snapshot::kSealedHeaderSize + sizeof(HeadStart) +
           chunk_count(memory_bytes) * sizeof(Le32);
}

// Collects frames and writes them in large pieces.
class FrameWriter {
  public:
    FrameWriter(int target, uint64_t offset) : target_(target), offset_(offset) {}

    Status add(std::span<const std::byte> frame) {
        buffer_.insert(buffer_.end(), frame.begin(), frame.end());
        return buffer_.size() < kWriteBuffer ? Status() : flush();
    }
    Status flush() {
        ANCHORHOLD_TRY(snapshot::write_at(target_, buffer_, offset_, "compressed memory file"));
        offset_ += buffer_.size();
        buffer_.clear();
        return {};
    }

  private:
    int target_;
    uint64_t offset_;
    std::vector<std::byte> buffer_;
};

}  // namespace

Status compress_memory(int source, int target) {
    const uint64_t bytes = ANCHORHOLD_TRY(sys::file_size(source, "memory file"));
    ANCHORHOLD_TRY(check_bounds(bytes));
    const std::unique_ptr<ZSTD_CCtx, decltype(&::ZSTD_freeCCtx)> context(::ZSTD_createCCtx(),
                                                                         &::ZSTD_freeCCtx);
    if (context == nullptr) {
        return fail("ZSTD_createCCtx: out of memory");
    }
    std::vector<Le32> lengths(chunk_count(bytes));
    std::vector<std::byte> chunk(kChunkBytes);
    std::vector<std::byte> frame(kMaxFrame);
    FrameWriter frames(target, head_bytes(bytes));
    for (uint64_t at = 0; at < bytes;) {
        const auto data = ANCHORHOLD_TRY(snapshot::next_data(source, at, bytes, "memory file"));
        if (!data) {
            break;
        }
        for (at = std::max(at, data->begin / kChunkBytes * kChunkBytes); at < data->end;
             at += kChunkBytes) {
            const uint64_t index = at / kChunkBytes;
            const auto piece = std::span(chunk).first(bytes_of_chunk(bytes, index));
            ANCHORHOLD_TRY(sys::read_exact_at(source, piece, at, "memory file"));
            if (snapshot::is_zero(piece)) {
                continue;
            }
            const size_t length = ::ZSTD_compressCCtx(context.get(), frame.data(), frame.size(),
                                                      piece.data(), piece.size(), kLevel);
            if (::ZSTD_isError(length) != 0) {
                return fail(fmt::format("compress: {}", ::ZSTD_getErrorName(length)));
            }
            lengths[index] = static_cast<uint32_t>(length);
            ANCHORHOLD_TRY(frames.add(std::span(frame).first(length)));
        }
    }
    ANCHORHOLD_TRY(frames.flush());
    const HeadStart start{bytes, kChunkBytes};
    std::string payload(reinterpret_cast<const char*>(&start), sizeof start);
    payload.append(reinterpret_cast<const char*>(lengths.data()), lengths.size() * sizeof(Le32));
    const std::string head = snapshot::seal_payload(kFormat, payload);
    return snapshot::write_at(target, std::as_bytes(std::span(head)), 0, "compressed memory file");
}

Status expand_memory(CompressedMemory& source, int target) {
    const uint64_t bytes = source.memory_bytes();
    if (::ftruncate(target, static_cast<off_t>(bytes)) < 0) {
        return fail_errno("ftruncate", "memory file");
    }
    std::vector<std::byte> chunk(kChunkBytes);
    for (uint64_t index = 0; index < chunk_count(bytes); ++index) {
        if (source.is_zero_chunk(index)) {
            continue;
        }
        const auto piece = std::span(chunk).first(bytes_of_chunk(bytes, index));
        ANCHORHOLD_TRY(source.read_chunk(index, piece));
        ANCHORHOLD_TRY(snapshot::write_sparse(target, index * kChunkBytes, piece));
    }
    return {};
}

struct CompressedMemory::Decompressor {
    std::unique_ptr<ZSTD_DCtx, decltype(&::ZSTD_freeDCtx)> context{::ZSTD_createDCtx(),
                                                                   &::ZSTD_freeDCtx};
};

CompressedMemory::CompressedMemory(OwnFd file, uint64_t bytes, std::vector<uint64_t> frame_offsets)
    : file_(std::move(file)),
      bytes_(bytes),
      frame_offsets_(std::move(frame_offsets)),
      frame_(kMaxFrame),
      decompressor_(std::make_unique<Decompressor>()) {}

CompressedMemory::~CompressedMemory() = default;

Result<std::unique_ptr<CompressedMemory>> CompressedMemory::open(OwnFd file) {
    const std::string payload = ANCHORHOLD_TRY(snapshot::read_sealed_head(kFormat, file.get()));
    HeadStart start;
    if (payload.size() < sizeof start) {
        return fail("compressed memory file: its head is cut off");
    }
    std::memcpy(&start, payload.data(), sizeof start);
    if (start.chunk_bytes != kChunkBytes) {
        return fail(fmt::format("compressed memory file: of chunks of {} bytes, not {}",
                                static_cast<uint64_t>(start.chunk_bytes), kChunkBytes));
    }
    const uint64_t bytes = start.memory_bytes;
    ANCHORHOLD_TRY(check_bounds(bytes));
    const uint64_t count = chunk_count(bytes);
    if (payload.size() - sizeof start != count * sizeof(Le32)) {
        return fail(fmt::format("compressed memory file: {} bytes of lengths for {} chunks",
                                payload.size() - sizeof start, count));
    }
    std::vector<uint64_t> offsets;
    offsets.reserve(count + 1);
    uint64_t offset = head_bytes(bytes);
    for (uint64_t i = 0; i < count; ++i) {
        Le32 length;
        std::memcpy(&length, payload.data() + sizeof start + i * sizeof length, sizeof length);
        if (length > kMaxFrame) {
            return fail(fmt::format("compressed memory file: chunk {} has {} bytes, the most is {}",
                                    i, static_cast<uint32_t>(length), kMaxFrame));
        }
        offsets.push_back(offset);
        offset += length;  // at most kMaxDigestedMemory and a little: no overflow
    }
    offsets.push_back(offset);
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(file.get(), "compressed memory file"));
    if (size != offset) {
        return fail(
            fmt::format("compressed memory file: has {} bytes, its head says {}", size, offset));
    }
    std::unique_ptr<CompressedMemory> memory(
        new CompressedMemory(std::move(file), bytes, std::move(offsets)));
    if (memory->decompressor_->context == nullptr) {
        return fail("ZSTD_createDCtx: out of memory");
    }
    return memory;
}

Status CompressedMemory::read_chunk(uint64_t index, std::span<std::byte> chunk) {
    if (is_zero_chunk(index)) {
        std::memset(chunk.data(), 0, chunk.size());
        return {};
    }
    const uint64_t offset = frame_offsets_[index];
    const auto frame = std::span(frame_).first(frame_offsets_[index + 1] - offset);
    ANCHORHOLD_TRY(sys::read_exact_at(file_.get(), frame, offset, "compressed memory file"));
    const size_t length = ::ZSTD_decompressDCtx(decompressor_->context.get(), chunk.data(),
                                                chunk.size(), frame.data(), frame.size());
    if (::ZSTD_isError(length) != 0) {
        return fail(fmt::format("compressed memory file: {}", ::ZSTD_getErrorName(length)));
    }
    if (length != chunk.size()) {
        return fail(fmt::format("compressed memory file: a chunk of {} bytes holds {}",
                                chunk.size(), length));
    }
    return {};
}

}  // namespace anchorhold::pager
