// Names and authorities: what is accepted is in its one spelling.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "policy/host_name.h"
#include "policy/host_pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    namespace policy = anchorhold::policy;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto name = policy::strict_host_name(text)) {
        ANCHORHOLD_CHECK(*policy::strict_host_name(*name) == *name);
        ANCHORHOLD_CHECK(std::ranges::all_of(*name, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        }));
    }
    if (const auto authority = policy::parse_authority(text)) {
        const bool v6 = authority->host.find(':') != std::string::npos;
        const auto again =
            policy::parse_authority(v6 ? fmt::format("[{}]", authority->host) : authority->host);
        ANCHORHOLD_CHECK(again && again->host == authority->host);
        ANCHORHOLD_CHECK(again->literal == authority->literal);
    }
    if (const auto pattern = policy::parse_host_pattern(text)) {
        ANCHORHOLD_CHECK(policy::check_host_pattern(*pattern).has_value());
    }
    return 0;
}
