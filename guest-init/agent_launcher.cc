// From root with every capability to an agent with none. The order matters: each step needs a power
// that a later one gives up.
#include "guest-init/agent_launcher.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "guest-init/accounts.h"
#include "guest-init/agent_filter.h"

namespace anchorhold::guest_init {
namespace {

constexpr int kCapabilities = 64;  // the kernel says EINVAL past its last one
constexpr unsigned long kSecureBits =
    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
    SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

// The agent goes before anything of ours when memory runs out.
void prefer_for_oom_kill() noexcept {
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        [[maybe_unused]] const ssize_t written = ::write(fd, "500", 3);
        ::close(fd);
    }
}

const char* drop_capabilities_for_exec() noexcept {
    for (unsigned long capability = 0; capability < kCapabilities; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
            if (capability <= CAP_CHECKPOINT_RESTORE) {
                return "prctl PR_CAPBSET_DROP";
            }
            break;
        }
    }
    if (::prctl(PR_SET_SECUREBITS, kSecureBits, 0, 0, 0) < 0) {
        return "prctl PR_SET_SECUREBITS";
    }
    return nullptr;
}

// The raw calls: libc's wrappers would synchronise threads that this child does not have.
const char* change_identity(uid_t uid, gid_t gid) noexcept {
    if (::syscall(SYS_setgroups, 0, nullptr) < 0) {
        return "setgroups";
    }
    if (::syscall(SYS_setresgid, gid, gid, gid) < 0) {
        return "setresgid";
    }
    if (::syscall(SYS_setresuid, uid, uid, uid) < 0) {
        return "setresuid";
    }
    return nullptr;
}

const char* drop_capabilities() noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
    if (::syscall(SYS_capset, &header, none) < 0) {
        return "capset";
    }
    return nullptr;
}

class AgentEnclosure final : public exec::Enclosure {
  public:
    AgentEnclosure(exec::Account account, const std::vector<sock_filter>& filter, AgentCgroup* tree,
                   std::optional<SessionCgroup> group)
        : account_(std::move(account)), filter_(filter), tree_(tree), group_(std::move(group)) {}
    ~AgentEnclosure() override {
        if (group_) {
            tree_->retire(std::move(*group_));
        }
    }
    AgentEnclosure(const AgentEnclosure&) = delete;
    AgentEnclosure& operator=(const AgentEnclosure&) = delete;

    [[nodiscard]] int cgroup() const override { return group_ ? group_->directory.get() : -1; }

    [[nodiscard]] const char* enter() noexcept override {
        prefer_for_oom_kill();
        if (const char* failed = drop_capabilities_for_exec()) {
            return failed;
        }
        if (const char* failed = change_identity(account_.uid, account_.gid)) {
            return failed;
        }
        // NO_SETUID_FIXUP keeps the sets over setresuid; this empties them for every uid alike.
        if (const char* failed = drop_capabilities()) {
            return failed;
        }
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
            return "prctl PR_SET_NO_NEW_PRIVS";
        }
        const sock_fprog program{static_cast<unsigned short>(filter_.size()),
                                 const_cast<sock_filter*>(filter_.data())};  // only read
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
            return "seccomp";
        }
        return nullptr;
    }

    void kill_all() override {
        if (group_) {
            AgentCgroup::kill_all(group_->directory.get());
        }
    }

    [[nodiscard]] bool out_of_memory() override {
        return group_ && AgentCgroup::out_of_memory(group_->directory.get());
    }

  private:
    exec::Account account_;
    const std::vector<sock_filter>& filter_;
    AgentCgroup* tree_;
    std::optional<SessionCgroup> group_;
};

}  // namespace

AgentLauncher::AgentLauncher(std::string passwd_path, AgentCgroup* cgroup)
    : passwd_path_(std::move(passwd_path)), cgroup_(cgroup), filter_(agent_filter()) {}

Result<exec::Account> AgentLauncher::account(std::string_view user) {
    auto account = find_account(read_passwd(passwd_path_), user);
    if (account) {
        account->environment = environment_;
    }
    return account;
}

void AgentLauncher::set_environment(std::vector<std::string> environment) {
    environment_ = std::move(environment);
}

Result<std::unique_ptr<exec::Enclosure>> AgentLauncher::enclose(const exec::Account& account) {
    std::optional<SessionCgroup> group;
    if (cgroup_ != nullptr) {
        group = ANCHORHOLD_TRY(cgroup_->add_session());
    }
    return std::make_unique<AgentEnclosure>(account, filter_, cgroup_, std::move(group));
}

}  // namespace anchorhold::guest_init
