// Words, the choice, and why a host cannot.
#include "supervisor/memory_backend.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "base/sys.h"

namespace anchorhold::supervisor {
namespace {

constexpr const char* kDevice = "/dev/userfaultfd";

}  // namespace

std::string_view to_text(MemoryBackend backend) {
    return backend == MemoryBackend::kFile ? "file" : "userfaultfd";
}

std::optional<MemoryBackend> memory_backend(std::string_view text) {
    for (const MemoryBackend backend : {MemoryBackend::kFile, MemoryBackend::kUserfaultfd}) {
        if (text == to_text(backend)) {
            return backend;
        }
    }
    return std::nullopt;
}

Result<std::optional<MemoryBackend>> wished_backend(std::string_view text) {
    const auto backend = memory_backend(text);
    if (!text.empty() && !backend) {
        return fail("a memory backend is 'file' or 'userfaultfd'", EINVAL);
    }
    return backend;
}

Result<MemoryBackend> choose_backend(MemoryForm form, std::optional<MemoryBackend> asked) {
    if (form == MemoryForm::kSparse) {
        return asked.value_or(MemoryBackend::kFile);
    }
    if (asked == MemoryBackend::kFile) {
        return fail(
            "its memory is stored compressed, which cannot be mapped: leave the memory backend "
            "out, or expand the template (anchorhold template expand)",
            EINVAL);
    }
    return MemoryBackend::kUserfaultfd;
}

Result<OwnFd> open_userfaultfd_device() {
    auto device = sys::open(kDevice, O_RDWR);
    if (device) {
        return device;
    }
    const int code = device.error().code;
    if (code == ENOENT) {
        return fail(
            fmt::format("{} does not exist: the userfaultfd memory backend needs Linux 6.1 or "
                        "later with CONFIG_USERFAULTFD; use the file backend here, and expand "
                        "templates that are compressed (anchorhold template expand)",
                        kDevice),
            code);
    }
    if (code == EACCES || code == EPERM) {
        return fail(fmt::format("{0} is not open to this user, and the userfaultfd memory backend "
                                "needs it: setfacl -m u:$USER:rw {0} (as root, after each boot; a "
                                "udev rule does it for good)",
                                kDevice),
                    code);
    }
    return device;
}

}  // namespace anchorhold::supervisor
