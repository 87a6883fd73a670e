// Pidfds and /proc.
#include "soak/processes.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/seqpacket.h"
#include "base/sys.h"

namespace anchorhold::soak {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{30};
constexpr int kPatienceMs = std::chrono::milliseconds(kPatience).count();

// "socket:[123]" counts as "socket", a path as itself.
std::map<std::string, size_t> descriptors_by_kind(pid_t pid) {
    std::map<std::string, size_t> kinds;
    std::error_code ended;
    const std::filesystem::directory_iterator none;
    for (std::filesystem::directory_iterator entry("/proc/" + std::to_string(pid) + "/fd", ended);
         !ended && entry != none; entry.increment(ended)) {
        std::error_code closed;
        const std::string target = std::filesystem::read_symlink(entry->path(), closed);
        kinds[closed ? "closed meanwhile" : target.substr(0, target.find(":["))] += 1;
    }
    return kinds;
}

}  // namespace

bool kill_program(pid_t pid, const std::string& name) {
    if (pid <= 1) {
        return false;
    }
    const auto pidfd = sys::pidfd_open(pid);
    const auto program = sys::read_file("/proc/" + std::to_string(pid) + "/comm");
    // The name is read while the pidfd holds the number: both are of one process.
    return pidfd && program && program->starts_with(name.substr(0, 15)) &&
           ::syscall(SYS_pidfd_send_signal, pidfd->get(), SIGKILL, nullptr, 0) == 0;
}

size_t open_descriptors(pid_t pid) {
    size_t all = 0;
    for (const auto& [kind, count] : descriptors_by_kind(pid)) {
        all += count;
    }
    return all;
}

std::string surplus_descriptors(pid_t pid, size_t most) {
    const auto until = Steady::now() + kPatience;
    while (open_descriptors(pid) > most) {
        if (Steady::now() > until) {
            std::string text;
            for (const auto& [kind, count] : descriptors_by_kind(pid)) {
                text += fmt::format("{}{} {}", text.empty() ? "now it has " : ", ", count, kind);
            }
            return text;
        }
        ::poll(nullptr, 0, 20);  // another process's descriptors are no event
    }
    return {};
}

void adopt_orphans() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

bool reap_orphans(pid_t but) {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
            return errno == ECHILD;
        }
        if (info.si_pid <= 1 || info.si_pid == but) {
            return false;
        }
        ::waitpid(info.si_pid, nullptr, 0);
    }
}

Result<std::unique_ptr<SupervisorProcess>> SupervisorProcess::start(const SupervisorPlace& place) {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET));
    const std::string program = std::filesystem::read_symlink("/proc/self/exe");
    SpawnRequest request;
    request.path = program;
    request.arguments = {"window_soak", "supervise", place.folder, std::to_string(place.https_port),
                         std::to_string(place.http_port)};
    request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                           "XDG_STATE_HOME=" + place.folder};
    request.descriptors = {
        {STDIN_FILENO, 0}, {STDOUT_FILENO, 1}, {STDERR_FILENO, 2}, {theirs.get(), kSoakSocket}};
    std::unique_ptr<SupervisorProcess> process(new SupervisorProcess);
    process->child_ = ANCHORHOLD_TRY(spawn(request));
    process->control_ = std::move(ours);
    const std::string word = ANCHORHOLD_TRY(process->next_packet());
    if (word != "ready" || !process->egress_.valid()) {
        return fail("the supervisor did not open its window: " + word);
    }
    return process;
}

Result<std::string> SupervisorProcess::next_packet() {
    pollfd wait{control_.get(), POLLIN, 0};
    if (::poll(&wait, 1, kPatienceMs) <= 0) {
        return fail("the supervisor said nothing for 30 s");
    }
    auto packet = ANCHORHOLD_TRY(receive_packet(control_.get()));
    if (!packet || packet->bytes.empty()) {
        return fail("the supervisor ended");
    }
    if (packet->fds.size() == 1) {
        egress_ = std::move(packet->fds[0]);
    }
    return std::move(packet->bytes);
}

Result<WindowPids> SupervisorProcess::pids() {
    ANCHORHOLD_TRY(send_packet(control_.get(), "pids?"));
    const std::string answer = ANCHORHOLD_TRY(next_packet());
    WindowPids pids;
    if (std::sscanf(answer.c_str(), "pids %d %d %d", &pids.proxy, &pids.zygote, &pids.dialer) !=
        3) {
        return fail(answer);
    }
    return pids;
}

Status SupervisorProcess::kill() {
    ANCHORHOLD_TRY(child_.signal(SIGKILL));
    ANCHORHOLD_TRY(child_.wait());
    return {};
}

Result<ExitStatus> SupervisorProcess::stop() {
    ANCHORHOLD_TRY(send_packet(control_.get(), "stop"));
    return child_.wait();
}

}  // namespace anchorhold::soak
