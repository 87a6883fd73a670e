// mmap, guard pages, mlock and the advice that keeps secrets out of images and children.
#include "proxy/credentials/locked_memory.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>
#include <utility>

namespace anchorhold::proxy {

namespace {

size_t page_size() {
    static const auto size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

}  // namespace

LockedMemory& LockedMemory::operator=(LockedMemory&& other) noexcept {
    if (this != &other) {
        reset();
        mapping_ = std::move(other.mapping_);
    }
    return *this;
}

Result<LockedMemory> LockedMemory::allocate(size_t size) {
    const size_t page = page_size();
    if (size > std::numeric_limits<size_t>::max() / 2) {
        return fail("locked memory: " + std::to_string(size) + " bytes are too many");
    }
    const size_t inner = (std::max<size_t>(size, 1) + page - 1) / page * page;
    LockedMemory memory;
    memory.mapping_ = ANCHORHOLD_TRY(
        OwnMapping::map(inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE));
    std::byte* const start = memory.mapping_.data() + page;
    if (::mprotect(start, inner, PROT_READ | PROT_WRITE) != 0) {
        return fail_errno("mprotect", "memory for secrets");
    }
    if (::madvise(start, inner, MADV_DONTDUMP) != 0) {
        return fail_errno("madvise MADV_DONTDUMP", "memory for secrets");
    }
    // Kernels before 4.14 do not know it; nobody here forks while holding secrets.
    (void)::madvise(start, inner, MADV_WIPEONFORK);
    if (::mlock(start, inner) != 0) {
        return fail("mlock " + std::to_string(inner) + " bytes for secrets: " + errno_text(errno) +
                        "; raise the limit on locked memory (ulimit -l)",
                    errno);
    }
    return memory;
}

std::span<char> LockedMemory::bytes() const {
    if (mapping_.size() == 0) {
        return {};
    }
    return {reinterpret_cast<char*>(mapping_.data() + page_size()),
            mapping_.size() - 2 * page_size()};
}

void LockedMemory::reset() {
    const std::span<char> held = bytes();
    OPENSSL_cleanse(held.data(), held.size());
    mapping_.reset();
}

}  // namespace anchorhold::proxy
