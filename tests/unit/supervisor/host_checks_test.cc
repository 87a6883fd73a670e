// What doctor says about a host, from files of a host that does not exist.
#include "supervisor/host_checks.h"

#include <gtest/gtest.h>

#include <optional>

#include "temporary_folder.h"

namespace anchorhold::supervisor {
namespace {

using Verdict = HostCheck::Verdict;

// The check of that name on a host with one file (or none).
HostCheck check_with(const std::string& name, const std::string& file,
                     const std::optional<std::string>& content) {
    const TemporaryFolder root;
    if (content) {
        root.write(file, *content);
    }
    for (HostCheck& check : check_kernel_settings({root.path()})) {
        if (check.name == name) {
            return std::move(check);
        }
    }
    ADD_FAILURE() << "no check is named " << name;
    return {};
}

TEST(HostChecks, settings_are_judged_by_their_files) {
    const std::string cgroup = "cgroup favordynmods";
    const std::string mounts = "proc/self/mounts";
    const std::string rcu = "RCU expediting";
    const std::string rcu_file = "sys/kernel/rcu_expedited";
    const std::string nx = "kvm.nx_huge_pages";
    const std::string nx_file = "sys/module/kvm/parameters/nx_huge_pages";
    const std::string poll = "kvm.halt_poll_ns";
    const std::string poll_file = "sys/module/kvm/parameters/halt_poll_ns";
    const std::string smt_file = "sys/devices/system/cpu/smt/active";
    const std::string ksm_file = "sys/kernel/mm/ksm/run";
    const std::string users_file = "proc/sys/user/max_user_namespaces";
    const struct {
        std::string name, file;
        std::optional<std::string> content;
        Verdict verdict;
        std::string found;
    } cases[] = {
        {cgroup, mounts, std::nullopt, Verdict::kUnknown, "no cgroup2 file system is mounted"},
        {cgroup, mounts, "proc /proc proc rw 0 0\n", Verdict::kUnknown,
         "no cgroup2 file system is mounted"},
        {cgroup, mounts, "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", Verdict::kSlow,
         "off"},
        {cgroup, mounts, "cgroup2 /sys/fs/cgroup cgroup2 rw,favordynmods,nsdelegate 0 0\n",
         Verdict::kOk, "on"},
        {cgroup, mounts, "c /a cgroup2 rw,favordynmods 0 0\nc /b cgroup2 rw 0 0\n", Verdict::kOk,
         "on"},
        {cgroup, mounts, "c /a cgroup2 rw,notfavordynmods 0 0\n", Verdict::kSlow, "off"},
        {cgroup, mounts, "favordynmods /a tmpfs favordynmods 0 0\ncut", Verdict::kUnknown,
         "no cgroup2 file system is mounted"},
        {rcu, rcu_file, std::nullopt, Verdict::kUnknown,
         "/sys/kernel/rcu_expedited does not exist"},
        {rcu, rcu_file, "0\n", Verdict::kSlow, "off"},
        {rcu, rcu_file, "1\n", Verdict::kOk, "on"},
        {nx, nx_file, std::nullopt, Verdict::kUnknown, "kvm is built in differently or not loaded"},
        {nx, nx_file, "Y\n", Verdict::kSlow, "Y"},
        {nx, nx_file, "N\n", Verdict::kOk, "N"},
        {nx, nx_file, "never\n", Verdict::kOk, "never"},
        {poll, poll_file, std::nullopt, Verdict::kUnknown, "kvm is not loaded"},
        {poll, poll_file, "rubbish\n", Verdict::kUnknown, "kvm is not loaded"},
        {poll, poll_file, "0\n", Verdict::kSlow, "0 ns"},
        {poll, poll_file, "200000\n", Verdict::kOk, "200000 ns"},
        {"SMT", smt_file, std::nullopt, Verdict::kUnknown, "this kernel does not say"},
        {"SMT", smt_file, "0\n", Verdict::kOk, "off"},
        {"SMT", smt_file, "1\n", Verdict::kRisk, "on"},
        {"KSM", ksm_file, std::nullopt, Verdict::kUnknown, "this kernel has no KSM"},
        {"KSM", ksm_file, "0\n", Verdict::kOk, "off"},
        {"KSM", ksm_file, "1\n", Verdict::kRisk, "on"},
        {"KSM", ksm_file, "2\n", Verdict::kOk, "off"},
        {"user namespaces", users_file, std::nullopt, Verdict::kUnknown, "this kernel has none"},
        {"user namespaces", users_file, "0\n", Verdict::kRisk, "off"},
        {"user namespaces", users_file, "31231\n", Verdict::kOk, "on"},
        {"swap", "proc/swaps", std::nullopt, Verdict::kUnknown, "this kernel does not say"},
        {"swap", "proc/swaps", "Filename Type Size Used Priority\n", Verdict::kOk, "none"},
        {"swap", "proc/swaps", "Filename Type\n/dev/sda2\tpartition\n/swapfile file\n",
         Verdict::kRisk, "/dev/sda2, /swapfile"},
    };
    for (const auto& test : cases) {
        const HostCheck check = check_with(test.name, test.file, test.content);
        EXPECT_EQ(check.verdict, test.verdict)
            << test.name << ": " << test.content.value_or("(missing)");
        EXPECT_EQ(check.found, test.found);
        const bool bad = test.verdict == Verdict::kSlow || test.verdict == Verdict::kRisk;
        EXPECT_EQ(check.remedy.empty(), !bad) << test.name;
        EXPECT_EQ(check.matters.empty(), !bad) << test.name;
    }
}

TEST(HostChecks, host_without_any_file_gets_every_check_once) {
    const TemporaryFolder root;
    EXPECT_EQ(check_kernel_settings({root.path()}).size(), 9U);
}

TEST(HostChecks, installation_names_what_is_missing_and_what_to_do) {
    const TemporaryFolder folder;
    Installation installation;
    installation.vmm = folder.write("vmm", "x");
    installation.initrd = folder.write("init.cpio", "x");
    installation.kernel = folder.path() + "/vmlinux";
    installation.images = folder.path() + "/images";
    folder.write("images/tiny.erofs", "x");
    const std::vector<HostCheck> checks = check_installation(installation);
    ASSERT_EQ(checks.size(), 4U);
    for (const HostCheck& check : checks) {
        const bool is_kernel = check.name == "guest kernel";
        EXPECT_EQ(check.verdict, is_kernel ? Verdict::kMissing : Verdict::kOk) << check.name;
        EXPECT_EQ(check.remedy.empty(), !is_kernel) << check.name;
        if (is_kernel) {
            EXPECT_EQ(check.found, installation.kernel + ": No such file or directory");
        }
    }
}

}  // namespace
}  // namespace anchorhold::supervisor
