// Error texts of system calls.
#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace anchorhold {

std::string errno_text(int code) {
    const char* name = strerrordesc_np(code);
    return name != nullptr ? std::string(name) : "errno " + std::to_string(code);
}

tl::unexpected<Error> fail_errno(int code, std::string_view call, std::string_view object) {
    std::string message(call);
    if (!object.empty()) {
        message.append(" ").append(object);
    }
    message.append(": ").append(errno_text(code));
    return fail(std::move(message), code);
}

tl::unexpected<Error> fail_errno(std::string_view call, std::string_view object) {
    return fail_errno(errno, call, object);
}

}  // namespace anchorhold
