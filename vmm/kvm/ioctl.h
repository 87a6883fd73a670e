// KVM ioctls whose failures name the request: one place for retrying and for turning errno into an
// Error.
#pragma once

#include <sys/ioctl.h>

#include <cerrno>
#include <string_view>

#include "base/result.h"

namespace anchorhold::vmm::kvm {

// ioctl(2) on a KVM descriptor, retried when interrupted. `name` is the request as the KVM API
// documentation spells it.
template <typename Argument>
Result<int> call(int fd, unsigned long request, std::string_view name, Argument argument) {
    int result = 0;
    do {
        result = ::ioctl(fd, request, argument);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return fail_errno(name);
    }
    return result;
}

// The same for requests whose result is only success.
template <typename Argument>
Status command(int fd, unsigned long request, std::string_view name, Argument argument) {
    ANCHORHOLD_TRY(call(fd, request, name, argument));
    return {};
}

}  // namespace anchorhold::vmm::kvm
