// clone3 with a pidfd, descriptor shuffle, exec; the child reports a failed exec through a pipe
// that closes on success.
#include "base/spawn.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/sys.h"

namespace anchorhold {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (const std::string& text : strings) {
        result.push_back(const_cast<char*>(text.c_str()));
    }
    result.push_back(nullptr);
    return result;
}

// Everything the child needs, made before the fork: the child only makes system calls.
struct Plan {
    std::vector<char*> argv;
    std::vector<char*> envp;
    std::vector<std::pair<int, int>> moves;  // (ours, target), with ours above every target
    int report;
    int lowest_free;  // first number above all targets
    pid_t parent;
    bool nobody = false;  // in a user namespace in which it has no name
};

[[noreturn]] void refuse(int report, int code) {
    [[maybe_unused]] const ssize_t written = ::write(report, &code, sizeof code);
    ::_exit(127);
}

// A close-on-exec copy out of the way of every target.
int move_away(int fd, const Plan& plan) {
    return ::fcntl(fd, F_DUPFD_CLOEXEC, plan.lowest_free);
}

// A user namespace gives its first process every capability, and exec takes them away again from
// who is nobody there: these two make further namespaces and give up the rest (capabilities(7),
// ambient).
void keep_for_jail() {
    constexpr int kKept[] = {CAP_SYS_ADMIN, CAP_SETPCAP};
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
    ::syscall(SYS_capget, &header, sets);
    for (const int capability : kKept) {
        sets[0].inheritable |= 1U << capability;
    }
    ::syscall(SYS_capset, &header, sets);
    for (const int capability : kKept) {
        ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    }
}

[[noreturn]] void child_main(const SpawnRequest& request, Plan& plan) {
    // Handlers first: what comes once signals are unblocked must not run our parent's.
    for (int number = 1; number < NSIG; ++number) {
        ::signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (plan.nobody) {
        keep_for_jail();
    }
    if (request.new_session) {
        ::setsid();
    }
    if (request.parent_death_signal != 0) {
        ::prctl(PR_SET_PDEATHSIG, request.parent_death_signal);
        if (::getppid() != plan.parent) {  // it ended before the signal was asked for
            ::_exit(127);
        }
    }
    const int report = move_away(plan.report, plan);
    if (report < 0) {
        refuse(plan.report, errno);
    }
    // First out of the way of the targets, then onto them.
    for (auto& [ours, target] : plan.moves) {
        ours = move_away(ours, plan);
        if (ours < 0) {
            refuse(report, errno);
        }
    }
    const int executable = request.executable < 0 ? -1 : move_away(request.executable, plan);
    if (request.executable >= 0 && executable < 0) {
        refuse(report, errno);
    }
    for (const auto& [ours, target] : plan.moves) {
        if (::dup2(ours, target) < 0) {
            refuse(report, errno);
        }
    }
    ::syscall(SYS_close_range, plan.lowest_free, ~0U, CLOSE_RANGE_CLOEXEC);
    // Numbers between the targets that were not asked for.
    for (int fd = 0; fd < plan.lowest_free; ++fd) {
        const bool wanted = std::any_of(plan.moves.begin(), plan.moves.end(),
                                        [&](const auto& move) { return move.second == fd; });
        if (!wanted) {
            ::close(fd);
        }
    }
    if (executable >= 0) {
        ::syscall(SYS_execveat, executable, "", plan.argv.data(), plan.envp.data(), AT_EMPTY_PATH);
    } else {
        ::execve(request.path.c_str(), plan.argv.data(), plan.envp.data());
    }
    refuse(report, errno);
}

// The number of a pidfd's process, for people; -1 when it has ended (pidfd_open(2), fdinfo).
pid_t pid_of(int pidfd) {
    const auto text = sys::read_file("/proc/self/fdinfo/" + std::to_string(pidfd));
    const size_t at = text ? text->find("\nPid:") : std::string::npos;
    const size_t digit = at == std::string::npos ? at : text->find_first_of("-0123456789", at);
    pid_t pid = -1;
    if (digit != std::string::npos) {
        std::from_chars(text->data() + digit, text->data() + text->size(), pid);
    }
    return pid;
}

}  // namespace

Result<Child> spawn(const SpawnRequest& request) {
    sys::Pipe report = ANCHORHOLD_TRY(sys::pipe());
    Plan plan{pointers(request.arguments),
              pointers(request.environment),
              request.descriptors,
              report.write_end.get(),
              3,
              ::getpid()};
    for (const auto& move : plan.moves) {
        plan.lowest_free = std::max(plan.lowest_free, move.second + 1);
    }
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    plan.nobody = request.alone && ::geteuid() != 0;
    const uint64_t namespaces =
        (request.alone ? CLONE_NEWPID : 0) | (plan.nobody ? CLONE_NEWUSER : 0);
    args.flags |= namespaces;
    long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0 && namespaces != 0) {  // forbidden, too many, or not in this kernel
        args.flags = CLONE_PIDFD;
        plan.nobody = false;
        pid = ::syscall(SYS_clone3, &args, sizeof args);
    }
    if (pid < 0) {
        return fail_errno("clone3", request.path);
    }
    if (pid == 0) {
        child_main(request, plan);
    }
    Child child(static_cast<pid_t>(pid), OwnFd(pidfd));
    report.write_end.reset();
    int code = 0;
    const auto got =
        sys::read_some(report.read_end.get(), std::as_writable_bytes(std::span(&code, size_t{1})));
    if (got && got->value_or(0) == sizeof code) {
        [[maybe_unused]] const auto ended = child.wait();
        return fail_errno(code, "execute", request.path);
    }
    return child;
}

Child Child::from_pidfd(OwnFd pidfd) {
    const pid_t pid = pid_of(pidfd.get());
    return {pid, std::move(pidfd)};
}

Child& Child::operator=(Child&& other) noexcept {
    if (this != &other) {
        std::swap(pid_, other.pid_);
        std::swap(pidfd_, other.pidfd_);
    }
    return *this;
}

Child::~Child() {
    if (running()) {
        [[maybe_unused]] const Status killed = signal(SIGKILL);
        [[maybe_unused]] const auto reaped = wait();
    }
}

Status Child::signal(int number) const {
    if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) < 0) {
        return fail_errno("pidfd_send_signal", std::to_string(pid_));
    }
    return {};
}

void Child::let_go() {
    pid_ = -1;
    pidfd_.reset();
}

Result<ExitStatus> Child::wait() {
    siginfo_t info{};
    int result = 0;
    do {
        result = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info,
                          WEXITED);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return fail_errno("waitid", std::to_string(pid_));
    }
    pid_ = -1;
    if (info.si_code == CLD_EXITED) {
        return ExitStatus{info.si_status, 0};
    }
    return ExitStatus{0, info.si_status};
}

}  // namespace anchorhold
