// Number, unit, nothing else.
#include "cli/text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace anchorhold::cli {
namespace {

struct Unit {
    std::string_view name;
    double factor;
};

constexpr std::array kSizeUnits = {
    Unit{"", 1},       Unit{"B", 1},        Unit{"K", 0x1p10}, Unit{"KiB", 0x1p10},
    Unit{"M", 0x1p20}, Unit{"MiB", 0x1p20}, Unit{"G", 0x1p30}, Unit{"GiB", 0x1p30},
    Unit{"T", 0x1p40}, Unit{"TiB", 0x1p40}, Unit{"k", 0x1p10}, Unit{"m", 0x1p20},
    Unit{"g", 0x1p30}, Unit{"t", 0x1p40},
};
constexpr std::array kTimeUnits = {
    Unit{"", 1e9},   Unit{"s", 1e9},    Unit{"ms", 1e6},
    Unit{"m", 60e9}, Unit{"min", 60e9}, Unit{"h", 3600e9},
};

// The number times its unit; an error without the unit list's help is the caller's to phrase.
template <size_t N>
Result<double> parse_with_unit(std::string_view text, const std::array<Unit, N>& units) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number) || number < 0) {
        return fail("not a number");
    }
    const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
    for (const Unit& unit : units) {
        if (unit.name == suffix) {
            return number * unit.factor;
        }
    }
    return fail("unknown unit");
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
    const auto bytes = parse_with_unit(text, kSizeUnits);
    if (!bytes || *bytes >= 0x1p63) {
        return fail(fmt::format("'{}' is not a size; write for example 512M or 2G", text));
    }
    return static_cast<uint64_t>(*bytes);
}

Result<Duration> parse_duration(std::string_view text) {
    const auto nanoseconds = parse_with_unit(text, kTimeUnits);
    if (!nanoseconds || *nanoseconds < 1 || *nanoseconds >= 9e18) {
        return fail(
            fmt::format("'{}' is not a duration; write for example 500ms, 30s or 5m", text));
    }
    return Duration(static_cast<int64_t>(*nanoseconds));
}

std::string display_duration(Duration duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    if (seconds < 60) {
        return fmt::format("{:.1f} s", seconds);
    }
    const auto whole = static_cast<int64_t>(seconds);
    return fmt::format("{} min {} s", whole / 60, whole % 60);
}

}  // namespace anchorhold::cli
