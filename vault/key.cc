// Copied once, wiped always.
#include "vault/key.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "base/sys.h"

namespace anchorhold::vault {

Key::Key(std::span<const uint8_t, kKeyBytes> bytes) {
    std::ranges::copy(bytes, bytes_.begin());
}

Key::Key(Key&& other) noexcept : bytes_(other.bytes_) {
    ::OPENSSL_cleanse(other.bytes_.data(), other.bytes_.size());
}

Key& Key::operator=(Key&& other) noexcept {
    if (this != &other) {
        bytes_ = other.bytes_;
        ::OPENSSL_cleanse(other.bytes_.data(), other.bytes_.size());
    }
    return *this;
}

Key::~Key() {
    ::OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

Result<Key> Key::read(int pipe) {
    Key key;
    const auto whole = std::as_writable_bytes(std::span(key.bytes_));
    for (size_t have = 0;;) {
        std::byte behind{};
        const auto rest = have < kKeyBytes ? whole.subspan(have) : std::span(&behind, 1);
        const auto count = ANCHORHOLD_TRY(sys::read_some(pipe, rest));
        if (!count) {
            return fail("key: the pipe does not wait", EAGAIN);
        }
        if (*count == 0) {
            if (have == kKeyBytes) {
                return key;
            }
            return fail(fmt::format("key: {} bytes instead of {}", have, kKeyBytes));
        }
        have += *count;
        if (have > kKeyBytes) {
            return fail(fmt::format("key: more than {} bytes", kKeyBytes));
        }
    }
}

}  // namespace anchorhold::vault
