// The bounds of a sandbox.
#include "supervisor/spec.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>

namespace anchorhold::supervisor {

std::string display_size(uint64_t bytes) {
    constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    auto value = static_cast<double>(bytes);
    while (value >= 1024 && unit + 1 < std::size(kUnits)) {
        value /= 1024;
        ++unit;
    }
    // Rounded down: "64.0 MiB" must not stand for a byte less than 64 MiB.
    return value == std::floor(value)
               ? fmt::format("{:.0f} {}", value, kUnits[unit])
               : fmt::format("{:.1f} {}", std::floor(value * 10) / 10, kUnits[unit]);
}

Status validate(const SandboxSpec& spec, uint64_t host_memory_bytes) {
    if (spec.cpus < 1 || spec.cpus > kMaxCpus) {
        return fail(
            fmt::format("--cpus {}: a sandbox has 1 to {} processors", spec.cpus, kMaxCpus));
    }
    if (spec.memory_bytes < kMinMemoryBytes) {
        return fail(fmt::format("--memory {}: a sandbox needs at least {}",
                                display_size(spec.memory_bytes), display_size(kMinMemoryBytes)));
    }
    if (spec.memory_bytes % 4096 != 0) {
        return fail(fmt::format("--memory {}: not a multiple of 4 KiB", spec.memory_bytes));
    }
    if (spec.memory_bytes > host_memory_bytes) {
        return fail(fmt::format("--memory {}: this host has {}; ask for less",
                                display_size(spec.memory_bytes), display_size(host_memory_bytes)));
    }
    if (spec.disk_bytes != 0 && spec.disk_bytes < kMinDiskBytes) {
        return fail(fmt::format("--disk {}: at least {}, or 0 to write to memory",
                                display_size(spec.disk_bytes), display_size(kMinDiskBytes)));
    }
    if (spec.disk_bytes % 4096 != 0) {
        return fail(fmt::format("--disk {}: not a multiple of 4 KiB", spec.disk_bytes));
    }
    return {};
}

Result<uint64_t> host_memory_bytes() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page_size = ::sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_size <= 0) {
        return fail_errno("sysconf", "_SC_PHYS_PAGES");
    }
    return static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_size);
}

}  // namespace anchorhold::supervisor
