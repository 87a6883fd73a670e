// The last words of a program whose own invariant broke.
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace anchorhold {

void check_failed(const char* text, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    std::abort();
}

}  // namespace anchorhold
