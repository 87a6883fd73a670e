// A table of settings: where each is, what is good, why it matters, what to do.
#include "supervisor/host_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "base/sys.h"

namespace anchorhold::supervisor {
namespace {

using Verdict = HostCheck::Verdict;

// A one-line kernel file without its newline; nullopt where it does not exist.
std::optional<std::string> read_setting(const HostRoot& root, const std::string& path) {
    auto content = sys::read_file(root.path + "/" + path);
    if (!content) {
        return std::nullopt;
    }
    while (!content->empty() && content->back() == '\n') {
        content->pop_back();
    }
    return std::move(*content);
}

// Whether the file system of `type` is mounted with `option`; nullopt when it is not mounted at
// all.
std::optional<bool> mounted_with(const HostRoot& root, std::string_view type,
                                 std::string_view option) {
    const auto mounts = sys::read_file(root.path + "/proc/self/mounts");
    if (!mounts) {
        return std::nullopt;
    }
    std::istringstream lines(*mounts);
    std::optional<bool> found;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string device, target, kind, options;
        fields >> device >> target >> kind >> options;
        if (kind == type) {
            found =
                found.value_or(false) ||
                ("," + options + ",").find("," + std::string(option) + ",") != std::string::npos;
        }
    }
    return found;
}

std::optional<std::string> on_or_off(std::optional<bool> on) {
    return on ? std::optional<std::string>(*on ? "on" : "off") : std::nullopt;
}

// How a setting is found, judged and explained.
struct Setting {
    const char* name;
    // As the kernel has it; nullopt where there is none.
    std::optional<std::string> (*read)(const HostRoot&);
    const char* absent;  // what there is instead
    bool (*good)(const std::string& found);
    Verdict otherwise;
    const char* matters;
    const char* remedy;
};

// Where memory goes that is swapped out: "/dev/sda2, /swapfile", or "none".
std::optional<std::string> read_swap(const HostRoot& root) {
    const auto swaps = read_setting(root, "proc/swaps");
    if (!swaps) {
        return std::nullopt;
    }
    std::istringstream lines(*swaps);
    std::string names;
    std::string line;
    std::getline(lines, line);  // the headings
    while (std::getline(lines, line)) {
        names += (names.empty() ? "" : ", ") + line.substr(0, line.find_first_of(" \t"));
    }
    return names.empty() ? "none" : names;
}

std::optional<std::string> read_switch(const HostRoot& root, const std::string& path) {
    const auto value = read_setting(root, path);
    return on_or_off(value ? std::optional(*value == "1") : std::nullopt);
}

std::optional<std::string> read_halt_polling(const HostRoot& root) {
    const auto value = read_setting(root, "sys/module/kvm/parameters/halt_poll_ns");
    uint64_t nanoseconds = 0;
    if (!value || std::from_chars(value->data(), value->data() + value->size(), nanoseconds).ec !=
                      std::errc()) {
        return std::nullopt;
    }
    return fmt::format("{} ns", nanoseconds);
}

// Whether a user without privilege may make them: the kernel's limit, Debian's switch, AppArmor's.
std::optional<std::string> read_user_namespaces(const HostRoot& root) {
    const auto most = read_setting(root, "proc/sys/user/max_user_namespaces");
    if (!most) {
        return std::nullopt;
    }
    const bool off =
        *most == "0" || read_setting(root, "proc/sys/kernel/unprivileged_userns_clone") == "0" ||
        read_setting(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1";
    return off ? "off" : "on";
}

// The choice that stands in brackets: "always [advise] never".
std::optional<std::string> read_huge_pages(const HostRoot& root) {
    const auto value = read_setting(root, "sys/kernel/mm/transparent_hugepage/shmem_enabled");
    if (!value) {
        return std::nullopt;
    }
    const size_t begin = value->find('[');
    const size_t end = value->find(']');
    return begin < end && end != std::string::npos ? value->substr(begin + 1, end - begin - 1)
                                                   : *value;
}

template <typename... Words>
bool is_one_of(const std::string& found, Words... words) {
    return ((found == words) || ...);
}

constexpr Setting kSettings[] = {
    {"cgroup favordynmods",
     [](const HostRoot& root) { return on_or_off(mounted_with(root, "cgroup2", "favordynmods")); },
     "no cgroup2 file system is mounted", [](const std::string& found) { return found == "on"; },
     Verdict::kSlow,
     "moving a VMM into its cgroup waits for an RCU grace period, up to tens of milliseconds",
     "mount -o remount,favordynmods /sys/fs/cgroup"},
    {"RCU expediting",
     [](const HostRoot& root) {
         const auto value = read_setting(root, "sys/kernel/rcu_expedited");
         return on_or_off(value ? std::optional(*value != "0") : std::nullopt);
     },
     "/sys/kernel/rcu_expedited does not exist",
     [](const std::string& found) { return found == "on"; }, Verdict::kSlow,
     "KVM_CREATE_VM waits for ordinary grace periods: about 10 ms of every start instead of 0.6",
     "echo 1 > /sys/kernel/rcu_expedited   (or boot with rcupdate.rcu_expedited=1)"},
    {"kvm.nx_huge_pages",
     [](const HostRoot& root) {
         return read_setting(root, "sys/module/kvm/parameters/nx_huge_pages");
     },
     "kvm is built in differently or not loaded",
     [](const std::string& found) { return is_one_of(found, "N", "off", "never", "0"); },
     Verdict::kSlow,
     "each VM starts a worker thread and large pages are split; needed only on CPUs with the iTLB "
     "multihit bug",
     "grep . /sys/devices/system/cpu/vulnerabilities/itlb_multihit; where it says \"Not "
     "affected\": echo never > /sys/module/kvm/parameters/nx_huge_pages"},
    {"kvm.halt_poll_ns", read_halt_polling, "kvm is not loaded",
     [](const std::string& found) { return found != "0 ns"; }, Verdict::kSlow,
     "each short wait of a guest costs a sleep and a wake-up of its vCPU thread",
     "echo 200000 > /sys/module/kvm/parameters/halt_poll_ns   (0 suits dense idle fleets)"},
    {"huge pages for memfds", read_huge_pages, "this kernel has no transparent huge pages",
     [](const std::string& found) {
         return is_one_of(found, "advise", "always", "within_size", "force");
     },
     Verdict::kSlow,
     "guest memory comes in pages of 4 KiB: loading and booting a kernel takes about twice as long",
     "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled   (never saves up to 8 MiB a "
     "sandbox)"},
    {"SMT",
     [](const HostRoot& root) { return read_switch(root, "sys/devices/system/cpu/smt/active"); },
     "this kernel does not say", [](const std::string& found) { return found == "off"; },
     Verdict::kRisk,
     "two tenants on the two threads of one core can observe each other through its caches and "
     "predictors",
     "echo off > /sys/devices/system/cpu/smt/control   (or boot with nosmt; needless where all "
     "sandboxes are one tenant's)"},
    {"KSM", [](const HostRoot& root) { return read_switch(root, "sys/kernel/mm/ksm/run"); },
     "this kernel has no KSM", [](const std::string& found) { return found == "off"; },
     Verdict::kRisk,
     "a page that is merged is slower to write to, which tells one tenant what another has in "
     "memory; guest memory is not offered for merging unless the service manager does so",
     "echo 2 > /sys/kernel/mm/ksm/run   (and MemoryKSM= off in the unit)"},
    {"user namespaces", read_user_namespaces, "this kernel has none",
     [](const std::string& found) { return found == "on"; }, Verdict::kRisk,
     "VMMs and proxies that another user than root starts have their filters, but share the host's "
     "namespaces",
     "sysctl user.max_user_namespaces=10000   (and kernel.unprivileged_userns_clone=1 or "
     "kernel.apparmor_restrict_unprivileged_userns=0, where there is one); or run as root"},
    {"swap", read_swap, "this kernel does not say",
     [](const std::string& found) { return found == "none"; }, Verdict::kRisk,
     "guest memory can be written to a disk, where it stays; keys of credentials are locked in "
     "memory and are not",
     "swapoff -a   (or swap on a device that is encrypted with a key of each boot)"},
};

HostCheck check_setting(const Setting& setting, const HostRoot& root) {
    const auto found = setting.read(root);
    if (!found) {
        return {setting.name, Verdict::kUnknown, setting.absent, "", ""};
    }
    return setting.good(*found) ? HostCheck{setting.name, Verdict::kOk, *found, "", ""}
                                : HostCheck{setting.name, setting.otherwise, *found,
                                            setting.matters, setting.remedy};
}

HostCheck check_file(const std::string& name, const std::string& path, const std::string& remedy) {
    HostCheck check{name, Verdict::kOk, path, "", ""};
    if (::access(path.c_str(), R_OK) != 0) {
        check.verdict = Verdict::kMissing;
        check.found = path + ": " + errno_text(errno);
        check.remedy = remedy;
    }
    return check;
}

}  // namespace

std::vector<HostCheck> check_kernel_settings(const HostRoot& root) {
    std::vector<HostCheck> checks;
    for (const Setting& setting : kSettings) {
        checks.push_back(check_setting(setting, root));
    }
    return checks;
}

std::vector<HostCheck> check_installation(const Installation& installation) {
    const std::string remedy =
        "build it with ./tools/dev setup, or install the anchorhold package again";
    return {check_file("VMM", installation.vmm, remedy),
            check_file("guest init", installation.initrd, remedy),
            check_file("guest kernel", installation.kernel, remedy),
            check_file("image tiny", installation.image_path("tiny"), remedy)};
}

}  // namespace anchorhold::supervisor
