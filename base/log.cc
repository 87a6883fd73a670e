// Logging through spdlog, made on first use so that a program that says nothing pays nothing.
#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <ctime>
#include <memory>

namespace anchorhold::log {
namespace {

std::string component_name = "anchorhold";  // set before threads start, read only afterwards
Level minimum = Level::kWarning;

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::kDebug:
            return spdlog::level::debug;
        case Level::kInfo:
            return spdlog::level::info;
        case Level::kWarning:
            return spdlog::level::warn;
        case Level::kError:
            return spdlog::level::err;
        case Level::kOff:
            break;
    }
    return spdlog::level::off;
}

spdlog::logger& logger() {
    static const std::unique_ptr<spdlog::logger> instance = [] {
        auto made = std::make_unique<spdlog::logger>(
            component_name, std::make_shared<spdlog::sinks::stderr_sink_mt>());
        // UTC: local time would make a static binary open the host's zone files.
        auto formatter = std::make_unique<spdlog::pattern_formatter>(
            "%Y-%m-%dT%H:%M:%S.%eZ %n %l: %v", spdlog::pattern_time_type::utc);
        made->set_formatter(std::move(formatter));
        made->set_level(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

}  // namespace

void configure(std::string_view component, Level threshold) {
    component_name = component;
    minimum = threshold;
}

void open_nothing_later() {
    // Even UTC makes libc look for the host's time zone, once.
    ::setenv("TZ", "UTC0", 1);  // NOLINT(concurrency-mt-unsafe): at start-up
    ::tzset();
}

Level level_from_environment(Level fallback) {
    const char* value =
        std::getenv("ANCHORHOLD_LOG");  // NOLINT(concurrency-mt-unsafe): at start-up
    const std::string_view text = value != nullptr ? value : "";
    if (text == "debug")
        return Level::kDebug;
    if (text == "info")
        return Level::kInfo;
    if (text == "warning")
        return Level::kWarning;
    if (text == "error")
        return Level::kError;
    if (text == "off")
        return Level::kOff;
    return fallback;
}

bool enabled(Level level) {
    return level >= minimum && level != Level::kOff;
}

void write(Level level, std::string_view text) {
    logger().log(to_spdlog(level), text);
}

std::string escaped(std::string_view text, size_t limit) {
    std::string out;
    for (const char c : text.substr(0, limit)) {
        if (c >= 0x20 && c <= 0x7e && c != '\\') {
            out.push_back(c);
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
    if (text.size() > limit) {
        out += "…";
    }
    return out;
}

}  // namespace anchorhold::log
