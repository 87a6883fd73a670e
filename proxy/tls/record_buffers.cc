#include "proxy/tls/record_buffers.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <array>
#include <cstddef>
#include <cstdlib>

namespace anchorhold::proxy {
namespace {

// A record's 2^14 bytes, header, expansion and alignment (OpenSSL's own sum differs with
// direction).
constexpr size_t kSmallest = 16384;
constexpr size_t kLargest = 20480;

// The few that one turn of the loop has in hand. Last in, first out: the hottest one is taken.
std::array<void*, 8> kept;
size_t kept_count = 0;

void* take(size_t size, const char*, int) {
    if (size >= kSmallest && size <= kLargest && kept_count > 0) {
        void* const block = kept[kept_count - 1];
        if (::malloc_usable_size(block) >= size) {
            --kept_count;
            return block;
        }
    }
    return std::malloc(size);
}

void* resize(void* block, size_t size, const char*, int) {
    return std::realloc(block, size);
}

void give_back(void* block, const char*, int) {
    const size_t size = ::malloc_usable_size(block);
    if (size >= kSmallest && size <= kLargest && kept_count < kept.size()) {
        kept[kept_count++] = block;
    } else {
        std::free(block);
    }
}

}  // namespace

void keep_record_buffers() {
    CRYPTO_set_mem_functions(take, resize, give_back);
}

}  // namespace anchorhold::proxy
