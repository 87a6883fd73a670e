// Who a guest is: what Resume changes in it, one call a step. An interface, so that the order of
// the steps is tested without a kernel to change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace anchorhold::guest_init {

// Arguments have passed check_resume(). A step that fails may have been done in part.
class Identity {
  public:
    virtual ~Identity() = default;

    // Mixes the bytes into the kernel's generator, credits every bit, and has all of its outputs
    // start anew. No copy is left behind.
    virtual Status add_entropy(std::span<const std::byte> bytes) = 0;
    virtual Status set_wall_clock(uint64_t nanoseconds) = 0;
    virtual Status set_machine_id(std::string_view id) = 0;
    virtual Status set_boot_id(std::string_view id) = 0;
    virtual Status set_host_name(std::string_view name) = 0;
    virtual Status set_generation(uint64_t generation) = 0;
    // Signals the processes that asked to be told (docs/uniqueness.md).
    virtual Status signal_hooks() = 0;

    [[nodiscard]] virtual uint64_t generation() const = 0;
};

}  // namespace anchorhold::guest_init
