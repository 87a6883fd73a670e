// mmap and munmap, paired.
#include "base/mapping.h"

#include <string>

namespace anchorhold {

Result<OwnMapping> OwnMapping::map(size_t size, int protection, int flags, int fd,
                                   uint64_t offset) {
    void* address = ::mmap(nullptr, size, protection, flags, fd, static_cast<off_t>(offset));
    if (address == MAP_FAILED) {
        return fail_errno("mmap", std::to_string(size) + " bytes");
    }
    OwnMapping mapping;
    mapping.data_ = static_cast<std::byte*>(address);
    mapping.size_ = size;
    return mapping;
}

void OwnMapping::reset() {
    if (data_ != nullptr) {
        ::munmap(data_, size_);
    }
    data_ = nullptr;
    size_ = 0;
}

}  // namespace anchorhold
