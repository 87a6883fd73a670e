// prctl, rlimits, capset, and a filter in BPF by hand: it must link statically.
#include "base/lock_down.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

namespace anchorhold {
namespace {

sock_filter load(size_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter load_argument(unsigned index) {  // its lower half
    return load(offsetof(seccomp_data, args) + index * sizeof(uint64_t));
}
sock_filter answer(uint32_t action) {
    return BPF_STMT(BPF_RET | BPF_K, action);
}
// Goes on when the loaded value is `value`, else past the next `past` instructions.
sock_filter unless_skip(uint32_t value, uint8_t past) {
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, past);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// What the runtime of an instrumented build adds; no such build is installed anywhere.
constexpr AllowedCall kInstrumented[] = {
    {SYS_sigaltstack, "ending a thread"},
    {SYS_pipe2, "asking the kernel whether memory may be read"},
    {SYS_sched_yield, "its locks"},
};
#else
constexpr std::span<const AllowedCall> kInstrumented;
#endif

std::vector<sock_filter> make_filter(std::span<const AllowedCall> allowed) {
    constexpr uint32_t kExecutable = 4;  // PROT_EXEC
    const sock_filter number = load(offsetof(seccomp_data, nr));
    std::vector<sock_filter> filter = {
        load(offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        answer(SECCOMP_RET_KILL_PROCESS),
        number,
    };
    for (const uint32_t call : {uint32_t{SYS_mmap}, uint32_t{SYS_mprotect}}) {
        filter.insert(filter.end(), {unless_skip(call, 4), load_argument(2),
                                     BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kExecutable, 0, 1),
                                     answer(SECCOMP_RET_KILL_PROCESS), number});
    }
    std::vector<AllowedCall> calls(allowed.begin(), allowed.end());
    calls.insert(calls.end(), std::begin(kInstrumented), std::end(kInstrumented));
    for (const AllowedCall& call : calls) {
        const auto wanted = static_cast<uint32_t>(call.number);
        if (call.only) {
            filter.insert(filter.end(),
                          {unless_skip(wanted, 4), load_argument(call.only->index),
                           unless_skip(call.only->value, 1), answer(SECCOMP_RET_ALLOW), number});
        } else {
            filter.insert(filter.end(), {unless_skip(wanted, 1), answer(SECCOMP_RET_ALLOW)});
        }
    }
    filter.push_back(answer(SECCOMP_RET_KILL_PROCESS));
    return filter;
}

}  // namespace

Status give_up_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_NO_NEW_PRIVS");
    }
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_DUMPABLE");
    }
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) < 0) {
        return fail_errno("setrlimit", "RLIMIT_CORE");
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct nothing[_LINUX_CAPABILITY_U32S_3]{};
    if (::syscall(SYS_capset, &header, nothing) < 0) {
        return fail_errno("capset");
    }
    return {};
}

Status install_filter(std::span<const AllowedCall> allowed) {
    const std::vector<sock_filter> filter = make_filter(allowed);
    const sock_fprog program{static_cast<unsigned short>(filter.size()),
                             const_cast<sock_filter*>(filter.data())};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_SECCOMP");
    }
    return {};
}

}  // namespace anchorhold
