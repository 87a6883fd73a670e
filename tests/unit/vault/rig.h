// Keys, contexts and files for tests.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/sys.h"
#include "vault/vault.h"

namespace anchorhold::vault {

inline Key key_of(uint8_t value) {
    std::array<uint8_t, kKeyBytes> bytes{};
    bytes.fill(value);
    return Key(bytes);
}

inline Context memory_of_a() {
    return {.kind = FileKind::kMemory, .sandbox = "a", .generation = 7};
}

inline OwnFd empty_file() {
    return sys::memfd("file", 0).value();
}

inline OwnFd file_with(std::string_view bytes) {
    OwnFd file = empty_file();
    EXPECT_TRUE(sys::write_all(file.get(), bytes));
    return file;
}

inline std::string contents(const OwnFd& file) {
    std::string bytes(sys::file_size(file.get(), "file").value(), '\0');
    EXPECT_TRUE(
        sys::read_exact_at(file.get(), std::as_writable_bytes(std::span(bytes)), 0, "file"));
    return bytes;
}

inline uint64_t allocated(const OwnFd& file) {
    struct stat status {};
    EXPECT_EQ(::fstat(file.get(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
}

inline std::string encrypted(const OwnFd& source, const Context& context = memory_of_a()) {
    const OwnFd target = empty_file();
    EXPECT_TRUE(encrypt(source.get(), target.get(), key_of(1), context));
    return contents(target);
}

// Decrypts, and sees that a refused file leaves nothing.
inline Result<std::string> decrypted(std::string_view file, uint8_t key = 1,
                                     const Context& context = memory_of_a()) {
    const OwnFd target = empty_file();
    const Status done = decrypt(file_with(file).get(), target.get(), key_of(key), context);
    if (!done) {
        EXPECT_EQ(sys::file_size(target.get(), "target").value(), 0U);
        return tl::unexpected(done.error());
    }
    return contents(target);
}

}  // namespace anchorhold::vault
