// The last words of a program whose own invariant broke.
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace anchorhold {

void check_failed(const char* text, std::source_location where) {
    std::fprintf(stderr, "%s:%u: check failed: %s\n", where.file_name(), where.line(), text);
    std::abort();
}

}  // namespace anchorhold
