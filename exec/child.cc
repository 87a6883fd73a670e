// The parent's half: clone3 and the meaning of reports. The child's half is child_main.cc.
//
// A child borrows its parent's memory until it executes, as with vfork(2): copying an address space
// that the next call throws away costs a start in a restored guest dozens of pages. Borrowing means
// waiting, so a child that is born frozen gets a copy, and one that is held up is ended
// (child_watch.h).
#include "exec/child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/log.h"
#include "base/sys.h"
#include "exec/child_main.h"
#include "exec/child_watch.h"

namespace anchorhold::exec {
namespace {

std::string quoted(const std::string& text) {
    return "'" + log::escaped(text, 200) + "'";
}

std::string refusal_text(const ChildReport& report, const Command& command) {
    const std::string name = command_name(command);
    const std::string why = errno_text(report.error);
    const std::string detail = log::escaped(
        std::string_view(report.detail, ::strnlen(report.detail, sizeof report.detail)));
    switch (report.stage) {
        case ChildStage::kExecuting:
            break;
        case ChildStage::kSetUp:
            return "start " + name + ": " + detail + ": " + why;
        case ChildStage::kDirectory:
            return "working directory " + quoted(command.directory) + ": " + why;
        case ChildStage::kInterpreterMissing:
            return "execute " + name + ": its interpreter " +
                   (detail.empty() ? "" : "'" + detail + "' ") + "does not exist in the image";
        case ChildStage::kExecFailed:
            if (report.error == ENOENT && !command.search_path.empty()) {
                return name + " not found in PATH " + quoted(command.search_path);
            }
            if (report.error == E2BIG) {
                return "execute " + name + ": arguments and environment are too large: " + why;
            }
            return "execute " + name + ": " + why;
    }
    return "start " + name + ": unknown report";
}

proto::ExecRefused::Reason refusal_reason(const ChildReport& report) {
    switch (report.stage) {
        case ChildStage::kDirectory:
            return proto::ExecRefused::BAD_REQUEST;
        case ChildStage::kInterpreterMissing:
            return proto::ExecRefused::NOT_FOUND;
        case ChildStage::kExecFailed:
            return report.error == ENOENT || report.error == ENOTDIR
                       ? proto::ExecRefused::NOT_FOUND
                       : proto::ExecRefused::CANNOT_EXECUTE;
        case ChildStage::kExecuting:
        case ChildStage::kSetUp:
            break;
    }
    return proto::ExecRefused::INTERNAL;
}

constexpr size_t kChildStackBytes = size_t{64} << 10;

// What is born in this cgroup does not run until somebody thaws it. Says so of an empty one, too.
bool is_frozen(int cgroup) {
    const OwnFd events(::openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC));
    char text[128];
    const ssize_t count = events.valid() ? ::read(events.get(), text, sizeof text) : 0;
    return std::string_view(text, static_cast<size_t>(std::max<ssize_t>(count, 0)))
               .find("frozen 1") != std::string_view::npos;
}

[[noreturn]] void child_entry(ChildPlan* plan) noexcept {
    child_main(*plan);
}

// clone3(2) with CLONE_VM: the child cannot return into a stack that it shares, so it starts in
// child_entry on its own.
long clone_onto_stack(const clone_args& args, ChildPlan& plan) noexcept {
    long result = SYS_clone3;
    asm volatile(
        "syscall\n\t"
        "testq %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "movq %[argument], %%rdi\n\t"
        "callq *%[entry]\n\t"
        "ud2\n"
        "1:"
        : "+a"(result)
        : "D"(&args), "S"(sizeof args), [entry] "r"(&child_entry), [argument] "r"(&plan)
        : "rcx", "r11", "memory");
    return result;
}

// The parent's pid for the child, or a negated errno.
long clone_borrowing(clone_args args, ChildPlan& plan) {
    const auto stack = std::make_unique_for_overwrite<std::byte[]>(kChildStackBytes);
    args.flags |= CLONE_VM | CLONE_VFORK;
    args.stack = (reinterpret_cast<uint64_t>(stack.get()) + 15) & ~uint64_t{15};
    args.stack_size = kChildStackBytes - 16;
    // No handler of ours may run in the child, on memory that is ours.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const long pid = clone_onto_stack(args, plan);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return pid;
}

long clone_copying(const clone_args& args, ChildPlan& plan) {
    const long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        child_main(plan);
    }
    return pid < 0 ? -errno : pid;
}

}  // namespace

Result<StartedChild> start_child(const ChildRequest& request) {
    sys::Pipe report = ANCHORHOLD_TRY(sys::pipe(O_NONBLOCK));
    ChildPlan plan(request, report.write_end.get());
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    const int cgroup = request.enclosure.cgroup();
    if (cgroup >= 0) {
        // Born inside: moving a process into a cgroup waits for an RCU grace period, being born
        // there does not.
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<uint64_t>(cgroup);
    }
    ChildWatch* watch = nullptr;
    if (cgroup < 0 || !is_frozen(cgroup)) {
        watch = ChildWatch::get().value_or(nullptr);
    }
    long pid = 0;
    if (watch == nullptr) {
        pid = clone_copying(args, plan);
    } else {
        ANCHORHOLD_TRY(
            watch->during(pidfd, request.patience, [&] { pid = clone_borrowing(args, plan); }));
    }
    if (pid < 0) {
        errno = static_cast<int>(-pid);
        return fail_errno("clone3", command_name(request.command));
    }
    return StartedChild{static_cast<pid_t>(pid), OwnFd(pidfd), std::move(report.read_end)};
}

StartReport::State StartReport::read(int report, const Command& command) {
    for (;;) {
        ChildReport record{};
        // Records are smaller than PIPE_BUF: they arrive whole.
        const auto got =
            sys::read_some(report, std::as_writable_bytes(std::span(&record, size_t{1})));
        if (got && !got->has_value()) {
            return State::kWaiting;
        }
        if (!got || **got != sizeof record) {
            break;
        }
        if (record.stage == ChildStage::kExecuting) {
            reached_exec_ = true;
            tsc_exec_ = record.tsc;
        } else {
            refused_ = Refusal{refusal_reason(record), refusal_text(record, command)};
        }
    }
    if (refused_) {
        refusal_ = *refused_;
        return State::kRefused;
    }
    if (!reached_exec_) {
        refusal_ = {proto::ExecRefused::INTERNAL,
                    "start " + command_name(command) + ": killed before it was executed"};
        return State::kRefused;
    }
    return State::kExecuted;
}

}  // namespace anchorhold::exec
