// Settings of the guest kernel: name, limits that every process inherits, sysctls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::guest_init {

// Of a cold boot; a resume gives another one.
inline constexpr std::string_view kHostName = "anchorhold";

struct Sysctl {
    const char* path;  // below /proc/sys/
    const char* value;
    const char* reason;
};

// Applies all of it; what fails is added to `warnings`. `proc` is where proc is mounted writable
// now.
void apply_system_settings(const std::string& proc, std::vector<std::string>& warnings);

}  // namespace anchorhold::guest_init
