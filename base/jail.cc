// A linear checklist; every step is checked.
#include "base/jail.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "base/lock_down.h"

namespace anchorhold {
namespace {

// An empty tmpfs, read-only, as the only mount.
Status enter_empty_root() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) {
        return fail_errno("mount", "/ (private)");
    }
    if (::mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=555") <
        0) {
        return fail_errno("mount", "an empty root");
    }
    if (::chdir("/tmp") < 0) {
        return fail_errno("chdir", "the empty root");
    }
    if (::syscall(SYS_pivot_root, ".", ".") < 0) {
        return fail_errno("pivot_root");
    }
    if (::umount2(".", MNT_DETACH) < 0) {
        return fail_errno("umount2", "the old root");
    }
    if (::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) < 0) {
        return fail_errno("mount", "/ (read-only)");
    }
    return {};
}

Status drop_bounding_set() {
    for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL) {
            return fail_errno("prctl", "PR_CAPBSET_DROP");
        }
    }
    return {};
}

Status keep_below(const Limit& limit) {
    rlimit value{};
    if (::getrlimit(limit.resource, &value) < 0) {
        return fail_errno("getrlimit", std::to_string(limit.resource));
    }
    value.rlim_max = std::min(value.rlim_max, limit.most);
    value.rlim_cur = value.rlim_max;
    return ::setrlimit(limit.resource, &value) == 0
               ? Status()
               : fail_errno("setrlimit", std::to_string(limit.resource));
}

// System calls of their own: libc's would look for other threads.
Status become(uid_t user) {
    // EINVAL: this user namespace has no such user. Its root is then nobody's but this process's.
    if (::syscall(SYS_setresgid, user, user, user) < 0) {
        return errno == EINVAL ? Status() : fail_errno("setresgid", std::to_string(user));
    }
    if (::syscall(SYS_setgroups, 0, nullptr) < 0) {
        return fail_errno("setgroups");
    }
    if (::syscall(SYS_setresuid, user, user, user) < 0) {
        return fail_errno("setresuid", std::to_string(user));
    }
    return {};
}

bool may_make_namespaces() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
    return ::syscall(SYS_capget, &header, sets) == 0 &&
           (sets[0].effective & 1U << CAP_SYS_ADMIN) != 0;
}

}  // namespace

Result<Jailed> enter_jail(const Jail& jail) {
    const int user_namespace = may_make_namespaces() ? 0 : CLONE_NEWUSER;
    Jailed jailed = Jailed::kApart;
    if (::unshare(jail.namespaces | CLONE_NEWNS | user_namespace) == 0) {
        ANCHORHOLD_TRY(enter_empty_root());
        ANCHORHOLD_TRY(drop_bounding_set());
    } else if (errno == EPERM || errno == ENOSPC || errno == EINVAL) {
        jailed = Jailed::kBeside;  // forbidden, too many, or not in this kernel
    } else {
        return fail_errno("unshare");
    }
    if (::geteuid() == 0 && jailed == Jailed::kApart && jail.user) {
        ANCHORHOLD_TRY(become(*jail.user));
    }
    for (const Limit& limit : jail.limits) {
        ANCHORHOLD_TRY(keep_below(limit));
    }
    ANCHORHOLD_TRY(give_up_privileges());
    return jailed;
}

}  // namespace anchorhold
