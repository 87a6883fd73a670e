// syncfs(2) and two sysctls (Documentation/admin-guide/sysctl/vm.rst).
#include "guest-init/uniqueness/page_cache.h"

#include <fcntl.h>
#include <unistd.h>

namespace anchorhold::guest_init {
namespace {

OwnFd open_knob(const std::string& path) {
    return OwnFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

}  // namespace

PageCache PageCache::open(const std::string& proc) {
    return {open_knob(proc + "/sys/vm/drop_caches"), open_knob(proc + "/sys/vm/compact_memory")};
}

Status PageCache::drop(int disk) const {
    // Only what is clean can be dropped.
    if (::syncfs(disk) < 0) {
        return fail_errno("syncfs", "writable layer");
    }
    if (drop_caches_.valid() && ::pwrite(drop_caches_.get(), "3", 1, 0) != 1) {
        return fail_errno("write", "vm/drop_caches");
    }
    // A help and no more: nothing depends on how whole the free blocks are.
    if (compact_memory_.valid()) {
        [[maybe_unused]] const ssize_t written = ::pwrite(compact_memory_.get(), "1", 1, 0);
    }
    return {};
}

}  // namespace anchorhold::guest_init
