// One function per setting; each reads a file and knows what it means.
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

HostCheck check_cgroup(const HostRoot& root) {
    HostCheck check{"cgroup favordynmods", Verdict::kUnknown, "", "", ""};
    const auto favoured = mounted_with(root, "cgroup2", "favordynmods");
    if (!favoured) {
        check.found = "no cgroup2 file system is mounted";
        return check;
    }
    check.verdict = *favoured ? Verdict::kOk : Verdict::kSlow;
    check.found = *favoured ? "on" : "off";
    if (!*favoured) {
        check.matters =
            "moving a VMM into its cgroup waits for an RCU grace period, up to tens of "
            "milliseconds";
        check.remedy = "mount -o remount,favordynmods /sys/fs/cgroup";
    }
    return check;
}

HostCheck check_rcu(const HostRoot& root) {
    HostCheck check{"RCU expediting", Verdict::kUnknown, "", "", ""};
    const auto expedited = read_setting(root, "sys/kernel/rcu_expedited");
    if (!expedited) {
        check.found = "/sys/kernel/rcu_expedited does not exist";
        return check;
    }
    const bool on = *expedited != "0";
    check.verdict = on ? Verdict::kOk : Verdict::kSlow;
    check.found = on ? "on" : "off";
    if (!on) {
        check.matters =
            "KVM_CREATE_VM waits for ordinary grace periods: about 10 ms of every start instead of "
            "0.6";
        check.remedy =
            "echo 1 > /sys/kernel/rcu_expedited   (or boot with rcupdate.rcu_expedited=1)";
    }
    return check;
}

HostCheck check_nx_huge_pages(const HostRoot& root) {
    HostCheck check{"kvm.nx_huge_pages", Verdict::kUnknown, "", "", ""};
    const auto value = read_setting(root, "sys/module/kvm/parameters/nx_huge_pages");
    if (!value) {
        check.found = "kvm is built in differently or not loaded";
        return check;
    }
    check.found = *value;
    const bool off = *value == "N" || *value == "off" || *value == "never" || *value == "0";
    check.verdict = off ? Verdict::kOk : Verdict::kSlow;
    if (!off) {
        check.matters =
            "each VM starts a worker thread and large pages are split; needed only on CPUs with "
            "the iTLB multihit bug";
        check.remedy =
            "grep . /sys/devices/system/cpu/vulnerabilities/itlb_multihit; where it says "
            "\"Not affected\": echo never > /sys/module/kvm/parameters/nx_huge_pages";
    }
    return check;
}

HostCheck check_halt_polling(const HostRoot& root) {
    HostCheck check{"kvm.halt_poll_ns", Verdict::kUnknown, "", "", ""};
    const auto value = read_setting(root, "sys/module/kvm/parameters/halt_poll_ns");
    uint64_t nanoseconds = 0;
    if (!value || std::from_chars(value->data(), value->data() + value->size(), nanoseconds).ec !=
                      std::errc()) {
        check.found = "kvm is not loaded";
        return check;
    }
    check.found = fmt::format("{} ns", nanoseconds);
    check.verdict = nanoseconds == 0 ? Verdict::kSlow : Verdict::kOk;
    if (nanoseconds == 0) {
        check.matters = "each short wait of a guest costs a sleep and a wake-up of its vCPU thread";
        check.remedy =
            "echo 200000 > /sys/module/kvm/parameters/halt_poll_ns   (0 suits dense idle fleets)";
    }
    return check;
}

HostCheck check_huge_pages(const HostRoot& root) {
    HostCheck check{"huge pages for memfds", Verdict::kUnknown, "", "", ""};
    const auto value = read_setting(root, "sys/kernel/mm/transparent_hugepage/shmem_enabled");
    if (!value) {
        check.found = "this kernel has no transparent huge pages";
        return check;
    }
    const size_t begin = value->find('[');
    const size_t end = value->find(']');
    check.found = begin < end && end != std::string::npos
                      ? value->substr(begin + 1, end - begin - 1)
                      : *value;
    const bool on = check.found == "advise" || check.found == "always" ||
                    check.found == "within_size" || check.found == "force";
    check.verdict = on ? Verdict::kOk : Verdict::kSlow;
    if (!on) {
        check.matters =
            "guest memory comes in pages of 4 KiB: loading and booting a kernel takes about twice "
            "as long";
        check.remedy =
            "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled   (never saves up to "
            "8 MiB a sandbox)";
    }
    return check;
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
    return {check_cgroup(root), check_rcu(root), check_nx_huge_pages(root),
            check_halt_polling(root), check_huge_pages(root)};
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
