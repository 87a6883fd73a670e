// What a Resume may say, checked before anything of it is done.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "proto/guest_control.pb.h"

namespace anchorhold::guest_init {

constexpr size_t kMinEntropy = 32;  // bytes: what the kernel's generator holds
constexpr size_t kMaxEntropy = 512;
constexpr size_t kMaxHostName = 64;  // sethostname(2)

// True where every field is empty: the same guest goes on.
[[nodiscard]] bool is_plain(const proto::Resume& request);

// Every field that is set must be well-formed, all of it at once: an error, which names the first
// field that is not, means that nothing was done. `generation` is the guest's at present; a new one
// differs (from all earlier ones, which only the host can know) and comes with entropy: nobody is
// told of a new generation whose kernel still has the old randomness.
[[nodiscard]] Status check_resume(const proto::Resume& request, uint64_t generation);

// The wall clock of a request that has one, when the guest's TSC is `tsc`. A moment that lies in
// the future, or more than a minute back, is not of this guest's TSC (it is scaled): then the clock
// as it was read.
[[nodiscard]] uint64_t wall_clock_at(const proto::Resume& request, uint64_t tsc);

}  // namespace anchorhold::guest_init
