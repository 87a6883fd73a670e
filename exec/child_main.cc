// Between fork and exec.
#include "exec/child_main.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace anchorhold::exec {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (const std::string& text : strings) {
        result.push_back(const_cast<char*>(text.c_str()));  // execve(2) does not write to them
    }
    result.push_back(nullptr);
    return result;
}

void report(const ChildPlan& plan, ChildStage stage, int error, const char* detail = "") noexcept {
    ChildReport record{};
    record.stage = stage;
    record.error = error;
    record.tsc = __rdtsc();
    std::strncpy(record.detail, detail, sizeof record.detail - 1);
    [[maybe_unused]] const ssize_t written = ::write(plan.report, &record, sizeof record);
}

[[noreturn]] void give_up(const ChildPlan& plan, ChildStage stage,
                          const char* detail = "") noexcept {
    report(plan, stage, errno, detail);
    ::_exit(127);
}

void reset_signals() noexcept {
    struct sigaction initial {};
    initial.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) {
        ::sigaction(number, &initial, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Returns the name of the call that failed, or nullptr.
const char* place_stdio(ChildPlan& plan) noexcept {
    // Out of the way of 0 to 2 first: ours may lie there.
    plan.report = ::fcntl(plan.report, F_DUPFD_CLOEXEC, 3);
    int moved[3];
    for (size_t i = 0; i < 3; ++i) {
        moved[i] = ::fcntl(plan.request.stdio[i], F_DUPFD_CLOEXEC, 3);
    }
    for (int i = 0; i < 3; ++i) {
        if (::dup2(moved[i], i) < 0) {
            return "dup2";
        }
    }
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
        return "close_range";
    }
    return nullptr;
}

const char* prepare(ChildPlan& plan) noexcept {
    if (::setsid() < 0) {
        return "setsid";
    }
    if (const char* failed = place_stdio(plan)) {
        return failed;
    }
    if (plan.request.controlling == Controlling::kTerminal && ::ioctl(0, TIOCSCTTY, 0) < 0) {
        return "ioctl TIOCSCTTY";
    }
    ::umask(022);
    return plan.request.enclosure.enter();
}

// The program is there and execve still says ENOENT: its interpreter is not. Names it where the
// first line does.
[[noreturn]] void give_up_for_interpreter(const ChildPlan& plan, const char* path) noexcept {
    char line[sizeof(ChildReport::detail)] = {};
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const ssize_t count = fd < 0 ? -1 : ::read(fd, line, sizeof line - 1);
    const char* name = "";
    if (count > 2 && line[0] == '#' && line[1] == '!') {
        char* start = line + 2 + std::strspn(line + 2, " \t");
        start[std::strcspn(start, " \t\r\n")] = '\0';
        name = start;
    }
    errno = ENOENT;
    give_up(plan, ChildStage::kInterpreterMissing, name);
}

bool worth_trying_next(int error) noexcept {
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ENODEV ||
           error == ESTALE || error == ETIMEDOUT;
}

[[noreturn]] void execute(const ChildPlan& plan) noexcept {
    int remembered = ENOENT;
    const char* without_interpreter = nullptr;
    for (const std::string& candidate : plan.request.command.candidates) {
        ::execve(candidate.c_str(), plan.argv.data(), plan.envp.data());
        const int error = errno;
        struct stat status {};
        const bool exists = ::stat(candidate.c_str(), &status) == 0;
        if (error == ENOENT && exists && without_interpreter == nullptr) {
            without_interpreter = candidate.c_str();
        }
        if (error == EACCES) {
            remembered = exists && S_ISDIR(status.st_mode) ? EISDIR : EACCES;
        }
        if (!worth_trying_next(error)) {
            errno = error;
            give_up(plan, ChildStage::kExecFailed);
        }
    }
    if (remembered == ENOENT && without_interpreter != nullptr) {
        give_up_for_interpreter(plan, without_interpreter);
    }
    errno = remembered;
    give_up(plan, ChildStage::kExecFailed);
}

}  // namespace

ChildPlan::ChildPlan(const ChildRequest& child_request, int report_fd)
    : request(child_request),
      argv(pointers(child_request.command.arguments)),
      envp(pointers(child_request.command.environment)),
      report(report_fd) {}

void child_main(ChildPlan& plan) noexcept {
    reset_signals();
    if (const char* failed = prepare(plan)) {
        give_up(plan, ChildStage::kSetUp, failed);
    }
    const Command& command = plan.request.command;
    if (::chdir(command.directory.c_str()) < 0 &&
        (command.directory_origin == DirectoryOrigin::kAsked || ::chdir("/") < 0)) {
        give_up(plan, ChildStage::kDirectory);
    }
    report(plan, ChildStage::kExecuting, 0);
    execute(plan);
}

std::string command_name(const Command& command) {
    return "'" + log::escaped(command.arguments.front(), 200) + "'";
}

}  // namespace anchorhold::exec
