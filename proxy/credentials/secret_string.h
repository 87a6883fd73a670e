// Text that is zeroed before its memory is given back: for every copy of a secret that is not in
// the store.
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anchorhold::proxy {

// std::allocator that zeroes what it frees, so that a container's own growth leaves nothing behind.
template <typename T>
struct WipingAllocator {
    using value_type = T;
    WipingAllocator() = default;
    template <typename U>
    WipingAllocator(const WipingAllocator<U>& /*other*/) noexcept {}  // NOLINT: converts by design
    T* allocate(size_t count) { return std::allocator<T>().allocate(count); }
    void deallocate(T* memory, size_t count) noexcept {
        OPENSSL_cleanse(memory, count * sizeof(T));
        std::allocator<T>().deallocate(memory, count);
    }
    friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

// Move-only; a copy is asked for by name. Always on the heap, because a small string's bytes would
// stay behind in a moved-from object.
class SecretString {
  public:
    SecretString() = default;
    explicit SecretString(std::string_view text) { append(text); }
    SecretString(SecretString&&) noexcept = default;
    SecretString& operator=(SecretString&&) noexcept = default;
    SecretString(const SecretString&) = delete;
    SecretString& operator=(const SecretString&) = delete;
    ~SecretString() = default;

    [[nodiscard]] std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
    [[nodiscard]] size_t size() const { return bytes_.size(); }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    [[nodiscard]] SecretString clone() const { return SecretString(view()); }
    [[nodiscard]] char* data() { return bytes_.data(); }

    void append(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
    void reserve(size_t size) { bytes_.reserve(size); }
    void push_back(char byte) { bytes_.push_back(byte); }
    void resize(size_t size) { bytes_.resize(size); }
    void clear() { *this = SecretString(); }

  private:
    std::vector<char, WipingAllocator<char>> bytes_;
};

// Overwrites a plain string's bytes, its spare capacity included, and empties it.
inline void wipe(std::string& text) {
    text.resize(text.capacity());
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

}  // namespace anchorhold::proxy
