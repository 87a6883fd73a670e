// What every fallible operation returns: a value, or an Error that already says what failed and
// with which input.
#pragma once

#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace anchorhold {

// A failure outside the program: a system call, a file, a peer. `message` is one line for a person;
// `code` is the errno it came from, or 0 where no system call was involved.
struct Error {
    std::string message;
    int code = 0;

    // The same error seen from one level up: "what: message".
    [[nodiscard]] Error within(std::string_view what) const {
        return Error{std::string(what) + ": " + message, code};
    }
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// Makes an error without an errno.
[[nodiscard]] inline tl::unexpected<Error> fail(std::string message, int code = 0) {
    return tl::unexpected<Error>(Error{std::move(message), code});
}

// Makes an error of a failed system call: "open /dev/kvm: No such file or directory".
[[nodiscard]] tl::unexpected<Error> fail_errno(std::string_view call, std::string_view object = {});
[[nodiscard]] tl::unexpected<Error> fail_errno(int code, std::string_view call,
                                               std::string_view object = {});

// The text of an errno value, thread-safe.
[[nodiscard]] std::string errno_text(int code);

}  // namespace anchorhold

// Yields the value of a Result, or returns its error from the enclosing function.
#define ANCHORHOLD_TRY(expression)                                           \
    __extension__({                                                          \
        auto&& anchorhold_try_result = (expression);                         \
        if (!anchorhold_try_result) [[unlikely]] {                           \
            return tl::unexpected(std::move(anchorhold_try_result).error()); \
        }                                                                    \
        ::anchorhold::detail::unwrap(std::move(anchorhold_try_result));      \
    })

namespace anchorhold::detail {

template <typename T>
T unwrap(tl::expected<T, Error>&& result) {
    return std::move(*result);
}
inline void unwrap(tl::expected<void, Error>&&) {}
inline void unwrap(const tl::expected<void, Error>&&) {}  // a const Status

}  // namespace anchorhold::detail
