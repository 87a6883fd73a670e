// prctl(2), setrlimit(2), OpenSSL's secure heap and a free() of its own.
#include "supervisor/secrets/process_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

namespace anchorhold::supervisor {
namespace {

constexpr size_t kKeyHeap = size_t{128} << 10;  // an EC key takes less than a KiB
constexpr int kSmallestBlock = 32;

// Decoding a key leaves its bytes in several buffers that OpenSSL frees as they are.
void* allocate(size_t size, const char*, int) {
    return std::malloc(size);
}

void release(void* memory, const char*, int) {
    if (memory != nullptr) {
        ::explicit_bzero(memory, ::malloc_usable_size(memory));
        std::free(memory);
    }
}

void* reallocate(void* memory, size_t size, const char* file, int line) {
    if (memory == nullptr) {
        return std::malloc(size);
    }
    void* const larger = size == 0 ? nullptr : std::malloc(size);
    if (larger != nullptr) {
        ::memcpy(larger, memory, std::min(size, ::malloc_usable_size(memory)));
    }
    if (larger != nullptr || size == 0) {
        release(memory, file, line);
    }
    return larger;
}

Status seal_openssl() {
    if (CRYPTO_secure_malloc_initialized() != 0) {
        return {};  // sealed before
    }
    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1) {
        return fail("OpenSSL was used before its memory was sealed");
    }
    return CRYPTO_secure_malloc_init(kKeyHeap, kSmallestBlock) == 1
               ? Status()
               : fail(
                     "128 KiB for private keys cannot be locked; raise the limit on locked memory "
                     "(ulimit -l)");
}

}  // namespace

Status seal_process_memory() {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_DUMPABLE");
    }
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) < 0) {
        return fail_errno("setrlimit", "RLIMIT_CORE");
    }
    return seal_openssl();
}

}  // namespace anchorhold::supervisor
