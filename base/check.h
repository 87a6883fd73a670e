// Abort for what cannot happen. Never for anything a guest, a peer or a file can cause.
#pragma once

namespace anchorhold {

// Writes "file:line: check failed: text" to stderr and aborts.
// The caller's place comes from built-ins, because clang 14 has no std::source_location.
[[noreturn]] void check_failed(const char* text, const char* file = __builtin_FILE(),
                               int line = __builtin_LINE());

}  // namespace anchorhold

#define ANCHORHOLD_CHECK(condition)                 \
    do {                                            \
        if (!(condition)) [[unlikely]] {            \
            ::anchorhold::check_failed(#condition); \
        }                                           \
    } while (false)
