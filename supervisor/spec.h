// What a sandbox is asked to be, and whether that can be had.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace anchorhold::supervisor {

constexpr uint32_t kMaxCpus = 8;
constexpr uint64_t kMinMemoryBytes = uint64_t{64} << 20;
constexpr uint64_t kDefaultMemoryBytes = uint64_t{512} << 20;
constexpr uint64_t kMinDiskBytes = uint64_t{16} << 20;
constexpr uint64_t kDefaultDiskBytes = uint64_t{4} << 30;

struct SandboxSpec {
    std::string image = "tiny";  // a name or a path (Installation::image_path)
    std::string kernel;          // empty: the installation's
    uint32_t cpus = 1;           // 1 to kMaxCpus
    uint64_t memory_bytes = kDefaultMemoryBytes;
    uint64_t disk_bytes =
        kDefaultDiskBytes;  // of the writable layer; 0: it lives in the guest's memory
    bool console = false;   // the kernel's messages go to stderr
};

// Refuses what no host could do and what this host cannot: the message says the bound and the
// option to change.
[[nodiscard]] Status validate(const SandboxSpec& spec, uint64_t host_memory_bytes);

// MemTotal of this host in bytes.
[[nodiscard]] Result<uint64_t> host_memory_bytes();

// "512 MiB", "1.5 GiB".
[[nodiscard]] std::string display_size(uint64_t bytes);

}  // namespace anchorhold::supervisor
