// Where figures were measured; without it they mean nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anchorhold::bench {

// One instruction is a nanosecond.
constexpr std::string_view kVirtualClock = "virtual";

struct Environment {
    std::string clock = "host";  // or kVirtualClock
    std::string version;         // of Anchorhold
    std::string kernel;          // of the host: release
    std::string cpu;             // the host's model, as it calls itself
    std::string kvm;             // "kvm_amd", "kvm_intel, nested", …
    uint32_t processors = 0;     // online
    uint64_t tick_ns = 0;
    std::string rcu;  // "expedited" or "normal": what KVM_CREATE_VM waits for
};

// Of this host; `root` is "/" outside tests.
[[nodiscard]] Environment look_around(const std::string& root, std::string version);

}  // namespace anchorhold::bench
