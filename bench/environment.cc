// From /proc and /sys; what is not there is "unknown".
#include "bench/environment.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "base/sys.h"
#include "bench/host_tick.h"

namespace anchorhold::bench {
namespace {

// The value of the first "key\t: value" line of /proc/cpuinfo.
std::string cpuinfo(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        const size_t colon = line.find(':');
        if (line.starts_with(key) && colon != std::string_view::npos && colon + 2 <= line.size()) {
            return std::string(line.substr(colon + 2));
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return "unknown";
}

std::string kvm_kind(const std::string& root, std::string_view flags) {
    std::string kind = "unknown";
    for (const char* const module : {"kvm_amd", "kvm_intel", "kvm_pvm"}) {
        std::error_code failed;
        if (std::filesystem::exists(root + "sys/module/" + module, failed)) {
            kind = module;
        }
    }
    // A host that runs under a hypervisor itself: every exit costs more.
    return (" " + std::string(flags) + " ").find(" hypervisor ") != std::string::npos
               ? kind + ", nested"
               : kind;
}

}  // namespace

Environment look_around(const std::string& root, std::string version) {
    Environment found;
    found.version = std::move(version);
    utsname names{};
    ::uname(&names);
    found.kernel = names.release;
    const auto text = sys::read_file(root + "proc/cpuinfo");
    const std::string_view cpus = text ? std::string_view(*text) : std::string_view();
    found.cpu = cpuinfo(cpus, "model name");
    found.kvm = kvm_kind(root, cpuinfo(cpus, "flags"));
    found.processors = static_cast<uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN));
    found.tick_ns = tick_period_ns();
    const auto expedited = sys::read_file(root + "sys/kernel/rcu_expedited", 16);
    found.rcu = !expedited ? "unknown" : expedited->starts_with("0") ? "normal" : "expedited";
    return found;
}

}  // namespace anchorhold::bench
