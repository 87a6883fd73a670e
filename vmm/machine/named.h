// Small things that both halves of Machine use.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace anchorhold::vmm {

// CLOCK_MONOTONIC, as messages have it.
inline uint64_t now_ns() {
    return static_cast<uint64_t>(steady_clock().now().time_since_epoch().count());
}

// The error of `result`, as that of `part`.
template <typename T>
Result<T> named(std::string_view part, Result<T> result) {
    if (!result) {
        return tl::unexpected(result.error().within(part));
    }
    return result;
}

}  // namespace anchorhold::vmm
