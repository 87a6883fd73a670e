// prctl, rlimits, capset, and a filter in BPF by hand: it must link statically.
#include "base/lock_down.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>

#include "base/check.h"

namespace anchorhold {
namespace {

using Program = std::vector<sock_filter>;

sock_filter load(size_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter load_argument(unsigned index) {  // its lower half
    return load(offsetof(seccomp_data, args) + index * sizeof(uint64_t));
}
sock_filter answer(uint32_t action) {
    return BPF_STMT(BPF_RET | BPF_K, action);
}
// Goes on when the test of `kind` (BPF_JEQ, BPF_JGE) holds, else past the next `past` instructions.
sock_filter unless_skip(uint16_t kind, uint32_t value, size_t past) {
    ANCHORHOLD_CHECK(past <= std::numeric_limits<uint8_t>::max());
    return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | kind | BPF_K), value, 0,
                    static_cast<uint8_t>(past));
}
void append(Program& program, const Program& more) {
    program.insert(program.end(), more.begin(), more.end());
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

// What is known of one system call's number once the search has found it.
struct Call {
    std::vector<ArgumentIs> only;  // any of them; none: whatever its arguments are
    bool always = false;
    uint16_t error = 0;  // not 0: it is refused with that
};

bool maps_memory(uint32_t number) {
    return number == SYS_mmap || number == SYS_mprotect || number == SYS_pkey_mprotect;
}

// From the call's number to its answer, which every path ends with.
Program judge(uint32_t number, const Call& call) {
    if (call.error != 0) {
        return {answer(SECCOMP_RET_ERRNO | call.error)};
    }
    Program program;
    if (maps_memory(number)) {
        append(program, {load_argument(2), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
                         answer(SECCOMP_RET_KILL_PROCESS)});
    }
    if (call.always) {
        program.push_back(answer(SECCOMP_RET_ALLOW));
        return program;
    }
    const ArgumentIs* loaded = nullptr;
    for (const ArgumentIs& only : call.only) {
        if (loaded == nullptr || loaded->index != only.index || loaded->mask != only.mask) {
            program.push_back(load_argument(only.index));
            if (only.mask != ArgumentIs().mask) {
                program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, only.mask));
            }
        }
        loaded = &only;
        const uint32_t value =
            only.value == kThisProcess ? static_cast<uint32_t>(::getpid()) : only.value;
        append(program, {unless_skip(BPF_JEQ, value, 1), answer(SECCOMP_RET_ALLOW)});
    }
    program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
    return program;
}

using Calls = std::map<uint32_t, Call>;

// A binary search of the loaded number; falls off no end.
Program find_call(Calls::const_iterator first, Calls::const_iterator last, size_t count) {
    if (count == 1) {
        const Program found = judge(first->first, first->second);
        Program program = {unless_skip(BPF_JEQ, first->first, found.size())};
        append(program, found);
        program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
        return program;
    }
    const auto middle = std::next(first, static_cast<ptrdiff_t>(count / 2));
    const Program below = find_call(first, middle, count / 2);
    const Program above = find_call(middle, last, count - count / 2);
    Program program;
    if (below.size() <= std::numeric_limits<uint8_t>::max()) {
        program = {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, middle->first,
                            static_cast<uint8_t>(below.size()), 0)};
    } else {  // farther than a conditional jump goes
        program = {unless_skip(BPF_JGE, middle->first, 1),
                   BPF_STMT(BPF_JMP | BPF_JA, static_cast<uint32_t>(below.size()))};
    }
    append(program, below);
    append(program, above);
    return program;
}

}  // namespace

std::vector<sock_filter> make_filter(std::span<const AllowedCall> allowed,
                                     std::span<const RefusedCall> refused) {
    Calls calls;
    const auto add = [&calls](const AllowedCall& line) {
        Call& call = calls[static_cast<uint32_t>(line.number)];
        if (line.only) {
            call.only.push_back(*line.only);
        } else {
            call.always = true;
        }
    };
    std::ranges::for_each(allowed, add);
    std::ranges::for_each(kInstrumented, add);
    for (const RefusedCall& line : refused) {
        calls[static_cast<uint32_t>(line.number)].error = line.error;
    }
    Program program = {
        load(offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        answer(SECCOMP_RET_KILL_PROCESS),
        load(offsetof(seccomp_data, nr)),
    };
    append(program, find_call(calls.begin(), calls.end(), calls.size()));
    return program;
}

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

Status install_filter(std::span<const AllowedCall> allowed, std::span<const RefusedCall> refused) {
    const std::vector<sock_filter> filter = make_filter(allowed, refused);
    const sock_fprog program{static_cast<unsigned short>(filter.size()),
                             const_cast<sock_filter*>(filter.data())};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_SECCOMP");
    }
    return {};
}

}  // namespace anchorhold
