// Compressed memory as raw bytes: what comes back, and what is refused.
#include "pager/compressed_memory.h"

#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "pager_rig.h"
#include "snapshot/sealed.h"

namespace anchorhold::pager {
namespace {

constexpr snapshot::Format kFormat{
    .kind = snapshot::Kind::kCompressedMemory, .version = 1, .max_payload = 1 << 30};

template <typename T>
std::string number(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

std::string frame_of(const std::string& content) {
    std::string frame(::ZSTD_compressBound(content.size()), '\0');
    frame.resize(::ZSTD_compress(frame.data(), frame.size(), content.data(), content.size(), 1));
    return frame;
}

// A file of one chunk of 4096 bytes with this frame.
std::string file_of(const std::string& frame) {
    return snapshot::seal_payload(kFormat, number(uint64_t{4096}) + number(uint64_t{kChunk}) +
                                               number(static_cast<uint32_t>(frame.size()))) +
           frame;
}

std::string contents(int file) {
    std::string bytes(sys::file_size(file, "file").value(), '\0');
    EXPECT_TRUE(sys::read_exact_at(file, std::as_writable_bytes(std::span(bytes)), 0, "file"));
    return bytes;
}

TEST(CompressMemory, chunks_come_back_one_by_one) {
    const auto memory = sample_memory();
    OwnFd target = sys::memfd("target", 0).value();
    ASSERT_TRUE(compress_memory(sparse_file(memory).get(), target.get()));
    const auto compressed = CompressedMemory::open(std::move(target)).value();
    ASSERT_EQ(compressed->memory_bytes(), memory.size());
    for (uint64_t i = kSampleChunks; i-- > 0;) {
        EXPECT_EQ(compressed->is_zero_chunk(i), sample_chunk_is_zero(i));
        std::vector<std::byte> chunk(std::min(kChunk, memory.size() - i * kChunk), std::byte{9});
        ASSERT_TRUE(compressed->read_chunk(i, chunk));
        EXPECT_TRUE(std::ranges::equal(chunk, std::span(memory).subspan(i * kChunk, chunk.size())));
    }
}

TEST(CompressMemory, zeros_cost_a_number_each) {
    const OwnFd source = sys::memfd("source", 1000 * kChunk).value();
    const OwnFd target = sys::memfd("target", 0).value();
    ASSERT_TRUE(compress_memory(source.get(), target.get()));
    EXPECT_EQ(contents(target.get()).size(), 48U + 16 + 4000);
}

TEST(CompressMemory, text_becomes_smaller) {
    std::string text;
    for (int i = 0; text.size() < 8 * kChunk; ++i) {
        text += "line " + std::to_string(i) + " of a log\n";
    }
    text.resize(8 * kChunk);
    const OwnFd target = sys::memfd("target", 0).value();
    ASSERT_TRUE(compress_memory(file_with(text).get(), target.get()));
    EXPECT_LT(contents(target.get()).size(), text.size() / 4);
}

TEST(CompressMemory, sizes_out_of_bounds_are_refused) {
    const OwnFd target = sys::memfd("target", 0).value();
    EXPECT_FALSE(compress_memory(file_with("").get(), target.get()));
    const OwnFd large = sys::memfd("large", snapshot::kMaxDigestedMemory + 1).value();
    EXPECT_FALSE(compress_memory(large.get(), target.get()));
}

TEST(ExpandMemory, file_is_the_one_that_was_compressed) {
    const auto memory = sample_memory();
    OwnFd target = sys::memfd("target", 0).value();
    ASSERT_TRUE(compress_memory(sparse_file(memory).get(), target.get()));
    const auto compressed = CompressedMemory::open(std::move(target)).value();
    const OwnFd expanded = sys::memfd("expanded", 0).value();
    ASSERT_TRUE(expand_memory(*compressed, expanded.get()));
    const std::string bytes = contents(expanded.get());
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(bytes)), memory));
}

TEST(OpenCompressedMemory, damage_to_the_head_is_refused) {
    const std::string good = file_of(frame_of(std::string(4096, 'x')));
    ASSERT_TRUE(CompressedMemory::open(file_with(good)));
    for (size_t size = 0; size < good.size(); ++size) {
        ASSERT_FALSE(CompressedMemory::open(file_with(good.substr(0, size)))) << size;
    }
    for (size_t bit = 0; bit < size_t{48 + 16 + 4} * 8; ++bit) {
        std::string flipped = good;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        ASSERT_FALSE(CompressedMemory::open(file_with(flipped))) << bit;
    }
}

TEST(OpenCompressedMemory, malformed_heads_are_refused_with_the_reason) {
    const std::string what = "compressed memory file: ";
    const std::string chunk = number(uint64_t{kChunk});
    const struct {
        const char* name;
        std::string payload, behind, message;
    } cases[] = {
        {"empty", "", "", "its head is cut off"},
        {"another chunk size", number(uint64_t{1}) + number(uint64_t{1}) + number(0U), "",
         "of chunks of 1 bytes, not 65536"},
        {"no memory", number(uint64_t{0}) + chunk, "",
         "of a memory of 0 bytes, 1 to 274877906944 are possible"},
        {"too much memory", number(~uint64_t{0}) + chunk, "",
         "of a memory of 18446744073709551615 bytes, 1 to 274877906944 are possible"},
        {"a length missing", number(2 * kChunk) + chunk + number(0U), "",
         "4 bytes of lengths for 2 chunks"},
        {"a length too many", number(kChunk) + chunk + number(0U) + number(0U), "",
         "8 bytes of lengths for 1 chunks"},
        {"a frame too long", number(kChunk) + chunk + number(70'000U), std::string(70'000, 'x'),
         "chunk 0 has 70000 bytes, the most is 65824"},
        {"a file too short", number(kChunk) + chunk + number(5U), "four",
         "has 72 bytes, its head says 73"},
        {"a file too long", number(kChunk) + chunk + number(5U), "sixsix",
         "has 74 bytes, its head says 73"},
    };
    for (const auto& test : cases) {
        const auto opened = CompressedMemory::open(
            file_with(snapshot::seal_payload(kFormat, test.payload) + test.behind));
        ASSERT_FALSE(opened) << test.name;
        EXPECT_EQ(opened.error().message, what + test.message) << test.name;
    }
}

TEST(ReadCompressedChunk, frames_that_hold_something_else_are_refused) {
    const std::string two = frame_of(std::string(4000, 'x')) + frame_of(std::string(97, 'x'));
    const struct {
        const char* name;
        std::string frame;
    } cases[] = {
        {"no frame", "no frame"},
        {"too little", frame_of(std::string(4095, 'x'))},
        {"too much", frame_of(std::string(4097, 'x'))},
        {"far too much", frame_of(std::string(100 << 20, 'x'))},
        {"two frames that are too much", two},
        {"frame cut off", frame_of(std::string(4096, 'x')).substr(0, 12)},
    };
    for (const auto& test : cases) {
        const auto memory = CompressedMemory::open(file_with(file_of(test.frame)));
        ASSERT_TRUE(memory) << test.name;
        std::vector<std::byte> chunk(4096);
        EXPECT_FALSE((*memory)->read_chunk(0, chunk)) << test.name;
    }
}

}  // namespace
}  // namespace anchorhold::pager
