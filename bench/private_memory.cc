// smaps is a list of mappings: a line like that of /proc/<pid>/maps, then "Name: value kB" lines.
#include "bench/private_memory.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

constexpr size_t kMaxSmaps = size_t{4} << 20;

struct Mapping {
    uint64_t size = 0;
    std::string_view name;
};

std::optional<uint64_t> number(std::string_view text, int base) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

// The text up to the next blank, which is cut off `rest` together with the blanks behind it.
std::string_view take_word(std::string_view& rest) {
    const size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    const size_t next = rest.find_first_not_of(' ', end);
    rest = next == std::string_view::npos ? std::string_view() : rest.substr(next);
    return word;
}

// "7f0000000000-7f0008000000 rw-s 00000000 00:01 1027   /memfd:guest-memory (deleted)"
std::optional<Mapping> parse_mapping(std::string_view line) {
    const std::string_view range = take_word(line);
    const size_t dash = range.find('-');
    if (dash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto begin = number(range.substr(0, dash), 16);
    const auto end = number(range.substr(dash + 1), 16);
    if (!begin || !end || *end < *begin) {
        return std::nullopt;
    }
    for (int column = 0; column < 4; ++column) {
        take_word(line);
    }
    return Mapping{.size = *end - *begin, .name = line};
}

bool is_guest(const Mapping& mapping, const GuestMappings& guest) {
    return mapping.size == guest.bytes ||
           (!guest.name.empty() && mapping.name.find(guest.name) != std::string_view::npos);
}

}  // namespace

Result<uint64_t> private_bytes(std::string_view smaps, const GuestMappings& guest) {
    uint64_t kilobytes = 0;
    enum class Within { kNothing, kGuest, kVmm } within = Within::kNothing;
    while (!smaps.empty()) {
        const size_t end = std::min(smaps.find('\n'), smaps.size());
        const std::string_view line = smaps.substr(0, end);
        smaps.remove_prefix(std::min(end + 1, smaps.size()));
        if (const auto mapping = parse_mapping(line)) {
            within = is_guest(*mapping, guest) ? Within::kGuest : Within::kVmm;
            continue;
        }
        std::string_view rest = line;
        const std::string_view name = take_word(rest);
        if (name != "Private_Clean:" && name != "Private_Dirty:") {
            continue;
        }
        const auto value = number(take_word(rest), 10);
        if (within == Within::kNothing || !value || rest != "kB") {
            return fail(fmt::format("smaps: cannot read the line '{}'", line));
        }
        kilobytes += within == Within::kVmm ? *value : 0;
    }
    if (within == Within::kNothing) {
        return fail("smaps: it lists no mapping");
    }
    return kilobytes * 1024;
}

Result<uint64_t> private_bytes_of(pid_t pid, const GuestMappings& guest) {
    const std::string smaps =
        ANCHORHOLD_TRY(sys::read_file(fmt::format("/proc/{}/smaps", pid), kMaxSmaps));
    return private_bytes(smaps, guest);
}

}  // namespace anchorhold::bench
