// One file's keys and chunks: AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA256 (RFC 5869)
// makes for this file alone.
//
// Header, little-endian: magic (8), version (4), bytes of a chunk (4), salt (32), key check (16),
// context check (16), the first 8 bytes of SHA-256 of all before. The salt is random, so no two
// files share a key; a chunk's nonce is its number and whether it is the last. The checks are
// outputs of HKDF: they commit to key and context, and tell a wrong one from damage.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "vault/key.h"

namespace anchorhold::vault {

constexpr size_t kHeaderBytes = 88;
constexpr size_t kSaltBytes = 32;
constexpr size_t kTagBytes = 16;
constexpr size_t kChunkBytes = size_t{256} * 1024;

// Numbers are in files and never reused.
enum class FileKind : uint32_t { kState = 1, kMemory = 2, kDisk = 3, kOther = 4 };

// Which file it is: one that was encrypted as another is refused.
struct Context {
    FileKind kind = FileKind::kOther;
    std::string sandbox;      // its id, at most 255 bytes
    uint64_t generation = 0;  // of the snapshot
};

// "memory of sandbox a, generation 7"
[[nodiscard]] std::string context_text(const Context& context);

enum class Last : uint8_t { kNo = 0, kYes = 1 };

class FileCipher {
  public:
    using Salt = std::array<uint8_t, kSaltBytes>;

    // For a new file. A salt is used once: random but in tests.
    FileCipher(const Key& key, const Context& context, const Salt& salt);
    // For a file with this header, of kHeaderBytes or more; refuses one of another key or context.
    static Result<FileCipher> open(std::string_view header, const Key& key, const Context& context);
    [[nodiscard]] static Salt random_salt();

    [[nodiscard]] const std::string& header() const { return header_; }

    // `out` is `plain` and a tag long.
    void seal(uint64_t number, Last last, std::span<const std::byte> plain,
              std::span<std::byte> out);
    // `sealed` is `out` and a tag long. False, and nothing in `out` may be used, where it is not
    // what was sealed as this chunk of this file.
    [[nodiscard]] bool open_chunk(uint64_t number, Last last, std::span<const std::byte> sealed,
                                  std::span<std::byte> out);

  private:
    struct FreeContext {
        void operator()(EVP_CIPHER_CTX* context) const { ::EVP_CIPHER_CTX_free(context); }
    };
    using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;
    void begin(EVP_CIPHER_CTX* context, uint64_t number, Last last) const;

    std::string header_;
    std::string bound_;  // what each chunk is authenticated with: header and context
    CipherContext sealing_;
    CipherContext opening_;
};

}  // namespace anchorhold::vault
