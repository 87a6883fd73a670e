// Structured-enough logging to stderr: level, component, text. Never a secret, never guest bytes
// unescaped.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace anchorhold::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

// Sets who is speaking ("vmm", "init") and from which level on lines are written. Call once, before
// threads start.
void configure(std::string_view component, Level threshold);

// For programs that lock themselves down: does now what the first line would open a file for.
void open_nothing_later();

// Reads ANCHORHOLD_LOG (debug, info, warning, error, off); `fallback` where it is unset or unknown.
[[nodiscard]] Level level_from_environment(Level fallback);

[[nodiscard]] bool enabled(Level level);
void write(Level level, std::string_view text);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::kDebug)) {
        write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::kInfo)) {
        write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::kWarning)) {
        write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
    }
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::kError)) {
        write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
    }
}

// Text from outside made safe to print: control characters and bytes above 0x7e become \xNN, and it
// is cut at `limit` bytes.
[[nodiscard]] std::string escaped(std::string_view text, size_t limit = 512);

}  // namespace anchorhold::log
