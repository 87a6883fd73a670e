// ptrace(2): the child stops at each system call's entry and exit.
#include "crash_points.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

namespace anchorhold::supervisor {
namespace {

int wait_for(pid_t child) {
    int status = 0;
    ANCHORHOLD_CHECK(::waitpid(child, &status, 0) == child);
    return status;
}

}  // namespace

Died run_until_call(size_t call, const std::function<void()>& work) {
    const pid_t child = ::fork();
    ANCHORHOLD_CHECK(child >= 0);
    if (child == 0) {
        ANCHORHOLD_CHECK(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0);
        ::raise(SIGSTOP);
        work();
        ::_exit(0);
    }
    ANCHORHOLD_CHECK(WIFSTOPPED(wait_for(child)));
    ANCHORHOLD_CHECK(::ptrace(PTRACE_SETOPTIONS, child, nullptr,
                              PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) == 0);
    for (size_t stop = 0;; ++stop) {
        ANCHORHOLD_CHECK(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
        const int status = wait_for(child);
        if (!WIFSTOPPED(status)) {
            ANCHORHOLD_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            return Died::kAfterwards;
        }
        // Entries are the even stops. A child that is killed at one does not make the call.
        if (stop == 2 * call) {
            ::kill(child, SIGKILL);
            while (!WIFSIGNALED(wait_for(child))) {
            }
            return Died::kBeforeCall;
        }
    }
}

}  // namespace anchorhold::supervisor
