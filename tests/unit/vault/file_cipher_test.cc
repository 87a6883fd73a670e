// Headers as raw bytes, chunks bound to their places.
#include "vault/file_cipher.h"

#include <cstring>

#include "rig.h"

namespace anchorhold::vault {
namespace {

FileCipher::Salt salt_of(uint8_t value) {
    FileCipher::Salt salt{};
    salt.fill(value);
    return salt;
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        text += kDigits[static_cast<uint8_t>(byte) >> 4];
        text += kDigits[static_cast<uint8_t>(byte) & 15];
    }
    return text;
}

// Computed with another implementation of HKDF and SHA-256.
TEST(FileCipherHeader, is_these_bytes) {
    const FileCipher cipher(key_of(1), memory_of_a(), salt_of(2));
    EXPECT_EQ(hex(cipher.header()),
              "616e687661756c740100000000000400"
              "0202020202020202020202020202020202020202020202020202020202020202"
              "e440a9d8e9bc2fb608e53b14c463a498"
              "7d15dafa5918ae9a2511aa4c3d1f7332"
              "793b1f2b8dc94599");
}

TEST(OpenFileCipher, says_what_is_wrong_with_a_header) {
    const std::string good = FileCipher(key_of(1), memory_of_a(), salt_of(2)).header();
    std::string flipped = good;
    flipped[20] ^= 1;
    const struct {
        const char* name;
        std::string header, message;
    } cases[] = {
        {"empty", "", "encrypted file: shorter than its header: 0 of 88 bytes"},
        {"cut", good.substr(0, 87), "encrypted file: shorter than its header: 87 of 88 bytes"},
        {"something else", std::string(100, 'x'),
         "encrypted file: not a file that this program encrypted"},
        {"salt flipped", flipped, "encrypted file: damaged: its header's checksum does not match"},
    };
    for (const auto& test : cases) {
        const auto opened = FileCipher::open(test.header, key_of(1), memory_of_a());
        ASSERT_FALSE(opened) << test.name;
        EXPECT_EQ(opened.error().message, test.message) << test.name;
    }
    EXPECT_TRUE(FileCipher::open(good, key_of(1), memory_of_a()));
}

TEST(OpenFileCipher, wrong_key_and_wrong_file_are_told_apart) {
    const std::string header = FileCipher(key_of(1), memory_of_a(), salt_of(2)).header();
    EXPECT_EQ(FileCipher::open(header, key_of(2), memory_of_a()).error().message,
              "encrypted file: encrypted with another key");
    const struct {
        Context context;
        const char* message;
    } cases[] = {
        {{FileKind::kDisk, "a", 7}, "encrypted file: is not the disk of sandbox a, generation 7"},
        {{FileKind::kMemory, "b", 7},
         "encrypted file: is not the memory of sandbox b, generation 7"},
        {{FileKind::kMemory, "", 7}, "encrypted file: is not the memory of sandbox , generation 7"},
        {{FileKind::kMemory, "a", 6},
         "encrypted file: is not the memory of sandbox a, generation 6"},
    };
    for (const auto& test : cases) {
        EXPECT_EQ(FileCipher::open(header, key_of(1), test.context).error().message, test.message);
    }
}

TEST(SealedChunk, opens_in_its_place_only) {
    FileCipher cipher(key_of(1), memory_of_a(), salt_of(2));
    const std::array<std::byte, 5> plain{std::byte{1}, std::byte{2}};
    std::array<std::byte, 5 + kTagBytes> sealed{};
    std::array<std::byte, 5> out{};
    cipher.seal(3, Last::kNo, plain, sealed);
    EXPECT_TRUE(cipher.open_chunk(3, Last::kNo, sealed, out));
    EXPECT_EQ(out, plain);
    EXPECT_FALSE(cipher.open_chunk(2, Last::kNo, sealed, out));
    EXPECT_FALSE(cipher.open_chunk(3, Last::kYes, sealed, out));
    // Another file of the same key and context.
    FileCipher other(key_of(1), memory_of_a(), salt_of(4));
    EXPECT_FALSE(other.open_chunk(3, Last::kNo, sealed, out));
    EXPECT_TRUE(cipher.open_chunk(3, Last::kNo, sealed, out));
}

TEST(RandomSalt, is_another_one_each_time) {
    EXPECT_NE(FileCipher::random_salt(), FileCipher::random_salt());
}

}  // namespace
}  // namespace anchorhold::vault
