// Abort for what cannot happen. Never for anything a guest, a peer or a file can cause.
#pragma once

#include <source_location>

namespace anchorhold {

// Writes "file:line: check failed: text" to stderr and aborts.
[[noreturn]] void check_failed(const char* text,
                               std::source_location where = std::source_location::current());

}  // namespace anchorhold

#define ANCHORHOLD_CHECK(condition)                   \
    do {                                              \
        if (!(condition)) [[unlikely]] {              \
            ::anchorhold::check_failed(#condition);   \
        }                                             \
    } while (false)
