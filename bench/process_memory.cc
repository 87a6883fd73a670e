// Lines "Name: value kB".
#include "bench/process_memory.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

// The value behind `name` at the beginning of a line, in bytes.
std::optional<uint64_t> field(std::string_view text, std::string_view name) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (!line.starts_with(name)) {
            continue;
        }
        const size_t digit = line.find_first_not_of(' ', name.size());
        uint64_t kilobytes = 0;
        if (digit != std::string_view::npos && line.ends_with(" kB") &&
            std::from_chars(line.data() + digit, line.data() + line.size(), kilobytes).ec ==
                std::errc()) {
            return kilobytes * 1024;
        }
    }
    return std::nullopt;
}

}  // namespace

Result<ProcessMemory> process_memory(std::string_view smaps_rollup) {
    const auto clean = field(smaps_rollup, "Private_Clean:");
    const auto dirty = field(smaps_rollup, "Private_Dirty:");
    const auto pss = field(smaps_rollup, "Pss:");
    if (!clean || !dirty || !pss) {
        return fail("smaps_rollup: a line is missing");
    }
    return ProcessMemory{.private_bytes = *clean + *dirty, .pss_bytes = *pss};
}

Result<ProcessMemory> process_memory_of(pid_t pid) {
    const std::string text =
        ANCHORHOLD_TRY(sys::read_file(fmt::format("/proc/{}/smaps_rollup", pid)));
    return process_memory(text);
}

Result<uint64_t> available_bytes(std::string_view meminfo) {
    const auto bytes = field(meminfo, "MemAvailable:");
    return bytes ? Result<uint64_t>(*bytes) : fail("meminfo: it has no MemAvailable");
}

Result<uint64_t> available_bytes() {
    const std::string text = ANCHORHOLD_TRY(sys::read_file("/proc/meminfo"));
    return available_bytes(text);
}

}  // namespace anchorhold::bench
