// Files in, files out: what comes back is the same, and anything else is refused.
#include "vault/vault.h"

#include <fcntl.h>

#include "rig.h"
#include "vault/chunk_stream.h"

namespace anchorhold::vault {
namespace {

constexpr size_t kSealedChunk = kChunkBytes + kTagBytes;
// Bytes of a stream besides its one piece's.
constexpr size_t kAround = 8 + 16 + 16;

std::string noise(size_t size) {
    std::string bytes(size, '\0');
    uint32_t state = 1;
    for (char& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<char>(state >> 24);
    }
    return bytes;
}

TEST(Vault, files_come_back_as_they_were) {
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{4096}, kChunkBytes - kAround - 1, kChunkBytes - kAround,
          kChunkBytes - kAround + 1, kChunkBytes, 2 * kChunkBytes - kAround, 3 * kChunkBytes + 5}) {
        const std::string bytes = noise(size);
        const std::string file = encrypted(file_with(bytes));
        const size_t stream = size == 0 ? 24 : size + kAround;
        const size_t chunks = (stream + kChunkBytes - 1) / kChunkBytes;
        EXPECT_EQ(file.size(), kHeaderBytes + stream + chunks * kTagBytes) << size;
        const auto back = decrypted(file);
        ASSERT_TRUE(back) << size << ": " << back.error().message;
        EXPECT_TRUE(*back == bytes) << size;
    }
}

TEST(Vault, holes_cost_nothing_and_come_back_as_holes) {
    constexpr uint64_t kBytes = uint64_t{8} << 30;
    const OwnFd source = sys::memfd("source", kBytes).value();
    const std::string page = noise(4096);
    const uint64_t places[] = {0, 5 * 4096, 6 * 4096, kBytes / 2, kBytes - 4096};
    for (const uint64_t place : places) {
        ASSERT_EQ(::pwrite(source.get(), page.data(), page.size(), static_cast<off_t>(place)),
                  4096);
    }
    const OwnFd sealed = empty_file();
    const OwnFd target = empty_file();
    ASSERT_TRUE(encrypt(source.get(), sealed.get(), key_of(1), memory_of_a()));
    EXPECT_LT(contents(sealed).size(), 6 * 4096U);
    ASSERT_TRUE(decrypt(sealed.get(), target.get(), key_of(1), memory_of_a()));
    EXPECT_EQ(sys::file_size(target.get(), "target").value(), kBytes);
    EXPECT_EQ(allocated(target), 5 * 4096U);
    for (const uint64_t place : places) {
        std::string back(4096, '\0');
        ASSERT_EQ(::pread(target.get(), back.data(), back.size(), static_cast<off_t>(place)), 4096);
        EXPECT_EQ(back, page);
    }
    // All hole.
    const OwnFd empty = sys::memfd("empty", 12345).value();
    EXPECT_EQ(decrypted(encrypted(empty)).value(), std::string(12345, '\0'));
}

TEST(Vault, nothing_of_a_file_shows_and_no_two_are_alike) {
    const std::string text = "a secret that must not be found";
    const OwnFd source = file_with(text + text + text);
    const std::string first = encrypted(source);
    const std::string second = encrypted(source);
    EXPECT_EQ(first.find("secret"), std::string::npos);
    EXPECT_NE(first.substr(kHeaderBytes), second.substr(kHeaderBytes));
}

TEST(Vault, every_bit_and_every_length_counts) {
    const std::string good = encrypted(file_with("what a machine is"));
    ASSERT_TRUE(decrypted(good));
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::string flipped = good;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
        ASSERT_FALSE(decrypted(flipped)) << bit;
    }
    for (size_t size = 0; size < good.size(); ++size) {
        ASSERT_FALSE(decrypted(good.substr(0, size))) << size;
    }
    EXPECT_FALSE(decrypted(good + '\0'));
}

TEST(Vault, chunks_that_are_moved_missing_or_another_file_s_are_refused) {
    const OwnFd source = file_with(noise(4 * kChunkBytes));
    const std::string good = encrypted(source);
    const std::string other = encrypted(source);
    const auto chunk = [](const std::string& file, size_t index) {
        return file.substr(kHeaderBytes + index * kSealedChunk, kSealedChunk);
    };
    const std::string header = good.substr(0, kHeaderBytes);
    const std::string a = chunk(good, 0), b = chunk(good, 1), c = chunk(good, 2),
                      d = chunk(good, 3), e = chunk(good, 4);
    ASSERT_TRUE(decrypted(header + a + b + c + d + e));
    const auto found_at = [](size_t index) {
        return "encrypted file: damaged or cut off, found at byte " +
               std::to_string(kHeaderBytes + index * kSealedChunk);
    };
    const struct {
        const char* name;
        std::string file;
        size_t found;
    } cases[] = {
        {"two swapped", header + a + c + b + d + e, 1},
        {"one missing", header + a + b + d + e, 2},
        {"one twice", header + a + b + b + c + d + e, 2},
        {"the last missing", header + a + b + c + d, 3},
        {"the last twice", header + a + b + c + d + e + e, 4},
        {"all missing", header, 0},
        {"another file's", header + a + chunk(other, 1) + c + d + e, 1},
        {"another file's, all", header + other.substr(kHeaderBytes), 0},
        {"another file's header", other.substr(0, kHeaderBytes) + good.substr(kHeaderBytes), 0},
    };
    for (const auto& test : cases) {
        const auto opened = decrypted(test.file);
        ASSERT_FALSE(opened) << test.name;
        EXPECT_EQ(opened.error().message, found_at(test.found)) << test.name;
    }
}

TEST(Vault, files_of_other_keys_sandboxes_and_snapshots_are_refused_by_name) {
    const std::string file = encrypted(file_with("bytes"));
    EXPECT_EQ(decrypted(file, 2).error().message, "encrypted file: encrypted with another key");
    EXPECT_EQ(decrypted(file, 1, {FileKind::kMemory, "b", 7}).error().message,
              "encrypted file: is not the memory of sandbox b, generation 7");
    EXPECT_EQ(decrypted(file, 1, {FileKind::kMemory, "a", 8}).error().message,
              "encrypted file: is not the memory of sandbox a, generation 8");
    EXPECT_EQ(decrypted(file, 1, {FileKind::kState, "a", 7}).error().message,
              "encrypted file: is not the state of sandbox a, generation 7");
}

// Streams that no encrypt() writes, sealed with the right key.
TEST(Vault, pieces_out_of_order_are_refused) {
    const auto number = [](uint64_t value) {
        std::string bytes(8, '\0');
        for (size_t i = 0; i < 8; ++i) {
            bytes[i] = static_cast<char>(value >> (8 * i));
        }
        return bytes;
    };
    const std::string order = "encrypted file: its pieces are out of order";
    const std::string end = "encrypted file: its end is not where it should be";
    const std::string cut = "encrypted file: damaged or cut off, found at byte ";
    const struct {
        const char* name;
        std::string stream, message;
    } cases[] = {
        {"size alone", number(4), cut},
        {"too large", number(kMaxFileBytes + 1),
         "encrypted file: holds 1099511627777 bytes, the most is 1099511627776"},
        {"outside", number(4) + number(4) + number(1) + "x", order},
        {"across the end", number(4) + number(2) + number(3) + "xxx", order},
        {"length that overflows", number(4) + number(1) + number(~uint64_t{0}), order},
        {"backwards", number(9) + number(4) + number(1) + "x" + number(3) + number(1) + "x", order},
        {"end too early", number(9) + number(4) + number(0), end},
        {"bytes behind the end", number(9) + number(9) + number(0) + "x", end},
        {"piece cut off", number(9) + number(0) + number(5) + "xxx", cut},
    };
    for (const auto& test : cases) {
        const OwnFd file = empty_file();
        FileCipher cipher(key_of(1), memory_of_a(), FileCipher::random_salt());
        ChunkWriter out(file.get(), cipher);
        ASSERT_TRUE(out.write(std::as_bytes(std::span(test.stream))));
        ASSERT_TRUE(out.finish());
        const auto opened = decrypted(contents(file));
        ASSERT_FALSE(opened) << test.name;
        EXPECT_TRUE(opened.error().message.starts_with(test.message))
            << test.name << ": " << opened.error().message;
    }
}

TEST(Vault, target_that_cannot_be_written_is_an_error) {
    const OwnFd full = sys::open("/dev/full", O_WRONLY).value();
    EXPECT_FALSE(encrypt(file_with("x").get(), full.get(), key_of(1), memory_of_a()));
    const auto pipe = sys::pipe().value();
    EXPECT_FALSE(decrypt(pipe.read_end.get(), empty_file().get(), key_of(1), memory_of_a()));
}

}  // namespace
}  // namespace anchorhold::vault
