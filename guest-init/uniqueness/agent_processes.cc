// pidfds, and two files of /proc.
#include "guest-init/uniqueness/agent_processes.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <span>

namespace anchorhold::guest_init {
namespace {

// The start of a file below /proc/PID, read into `buffer`.
std::string_view read_proc(int proc, pid_t pid, const char* name, std::span<char> buffer) {
    char path[48];
    std::snprintf(path, sizeof path, "%d/%s", pid, name);
    const OwnFd fd(::openat(proc, path, O_RDONLY | O_CLOEXEC));
    const ssize_t count = fd.valid() ? ::read(fd.get(), buffer.data(), buffer.size()) : -1;
    return count > 0 ? std::string_view(buffer.data(), static_cast<size_t>(count))
                     : std::string_view();
}

// What follows "\nNAME:\t" up to the line's end. The first line is the process's own name, with
// its newlines escaped.
std::optional<std::string_view> line_of(std::string_view status, std::string_view key) {
    const size_t at = status.find(key);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view rest = status.substr(at + key.size());
    const size_t end = rest.find('\n');
    return end == std::string_view::npos ? std::nullopt : std::optional(rest.substr(0, end));
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                    : std::nullopt;
}

std::optional<uid_t> only_uid(std::string_view line) {
    const auto first = parse_number<uid_t>(line.substr(0, line.find('\t')), 10);
    for (int i = 0; i < 3 && first; ++i) {
        const size_t tab = line.find('\t');
        if (tab == std::string_view::npos) {
            return std::nullopt;
        }
        line.remove_prefix(tab + 1);
        if (parse_number<uid_t>(line.substr(0, line.find('\t')), 10) != first) {
            return std::nullopt;
        }
    }
    return first;
}

}  // namespace

std::optional<OwnFd> ProcProcesses::open(pid_t pid) {
    OwnFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));
    return process.valid() || errno != ESRCH ? std::optional(std::move(process)) : std::nullopt;
}

std::optional<Processes::Facts> ProcProcesses::look_at_agent(pid_t pid) {
    std::array<char, 4096> buffer;
    if (!is_in_agent_group(read_proc(proc_.get(), pid, "cgroup", buffer))) {
        return std::nullopt;
    }
    return parse_status(read_proc(proc_.get(), pid, "status", buffer));
}

Status ProcProcesses::signal(const OwnFd& process, int number) {
    if (::syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0U) < 0) {
        return fail_errno("pidfd_send_signal", std::to_string(number));
    }
    return {};
}

bool is_in_agent_group(std::string_view cgroup) {
    // One hierarchy, and nobody below it can make groups: no line of another's making.
    return cgroup.starts_with("0::/agent/");
}

std::optional<Processes::Facts> parse_status(std::string_view status) {
    const auto uids = line_of(status, "\nUid:\t");
    const auto blocked = line_of(status, "\nSigBlk:\t");
    const auto caught = line_of(status, "\nSigCgt:\t");
    if (!uids || !blocked || !caught) {
        return std::nullopt;
    }
    const auto uid = only_uid(*uids);
    const auto blocked_set = parse_number<uint64_t>(*blocked, 16);
    const auto caught_set = parse_number<uint64_t>(*caught, 16);
    if (!uid || !blocked_set || !caught_set) {
        return std::nullopt;
    }
    return Processes::Facts{.uid = *uid, .handled = *blocked_set | *caught_set};
}

}  // namespace anchorhold::guest_init
