// Why a pager stops: what its supervisor is told before it kills the VMM.
#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "proto/pager.pb.h"

namespace anchorhold::pager {

struct Failure {
    proto::PagerFailed::Cause cause = proto::PagerFailed::UNKNOWN;
    std::string error;               // one line
    std::optional<uint64_t> offset;  // in the memory, bytes
};

template <typename T>
using Served = tl::expected<T, Failure>;

[[nodiscard]] inline tl::unexpected<Failure> stop(proto::PagerFailed::Cause cause,
                                                  std::string error,
                                                  std::optional<uint64_t> offset = std::nullopt) {
    return tl::unexpected<Failure>(Failure{cause, std::move(error), offset});
}

}  // namespace anchorhold::pager
