// getdents64, then one careful look at each entry.
#include "guest-init/uniqueness/resume_hooks.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>

namespace anchorhold::guest_init {
namespace {

constexpr pid_t kMaxPid = 1 << 22;  // PID_MAX_LIMIT
// The kernel's first one is 32; glibc keeps that and the next for itself, musl one more.
constexpr int kFirstRealTime = 35;
constexpr int kLastRealTime = 64;

std::optional<int> parse_digits(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && text.front() >= '1' && text.front() <= '9' ? std::optional(number)
                                                               : std::nullopt;
}

// linux_dirent64 (getdents64(2)), of which the name begins at 19.
struct Entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
};
constexpr size_t kNameOffset = offsetof(Entry, type) + 1;

}  // namespace

Status ResumeHooks::signal_all() {
    if (!folder_.valid()) {
        return fail("the folder of hooks could not be made at boot");
    }
    if (::lseek(folder_.get(), 0, SEEK_SET) < 0) {
        return fail_errno("lseek", "hooks");
    }
    // First all of the names, then the files: removing some moves no others under the reading.
    std::array<pid_t, kMaxEntries> pids;
    size_t found = 0;
    size_t entries = 0;
    alignas(Entry) std::array<char, 4096> buffer;
    for (;;) {
        const long size = ::syscall(SYS_getdents64, folder_.get(), buffer.data(), buffer.size());
        if (size < 0) {
            return fail_errno("getdents64", "hooks");
        }
        if (size == 0) {
            break;
        }
        for (size_t at = 0; at < static_cast<size_t>(size);) {
            Entry entry;
            std::memcpy(&entry, buffer.data() + at, sizeof entry);
            const std::string_view name(buffer.data() + at + kNameOffset);
            at += entry.size;
            if (name == "." || name == "..") {
                continue;
            }
            if (++entries > kMaxEntries) {
                return fail("more than " + std::to_string(kMaxEntries) + " hooks");
            }
            if (const auto pid = parse_hook_name(name)) {
                pids[found++] = *pid;
            }
        }
    }
    for (size_t i = 0; i < found; ++i) {
        ANCHORHOLD_TRY(signal_one(pids[i], std::to_string(pids[i]).c_str()));
    }
    return {};
}

Status ResumeHooks::signal_one(pid_t pid, const char* name) {
    const auto process = processes_.open(pid);
    if (!process) {
        ::unlinkat(folder_.get(), name, 0);  // fails on a folder, which may lie there
        return {};
    }
    const auto asked = read(name);
    if (!asked || !process->valid()) {
        return {};
    }
    const auto& [owner, number] = *asked;
    const auto facts = processes_.look_at_agent(pid);
    // A signal that nobody handles would end the process: it is another program by now.
    if (!facts || facts->uid != owner || (facts->handled >> (number - 1) & 1) == 0) {
        return {};
    }
    const Status sent = processes_.signal(*process, number);
    return sent || sent.error().code == ESRCH ? Status{} : sent;
}

std::optional<std::pair<uid_t, int>> ResumeHooks::read(const char* name) const {
    // Nonblocking: a FIFO may be in its place, or a lease on it.
    const OwnFd file(
        ::openat(folder_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status {};
    // More links than one: it may be a file of another's, registered elsewhere.
    if (!file.valid() || ::fstat(file.get(), &status) < 0 || !S_ISREG(status.st_mode) ||
        status.st_nlink != 1) {
        return std::nullopt;
    }
    std::array<char, kMaxText + 1> text;
    const ssize_t count = ::pread(file.get(), text.data(), text.size(), 0);
    const auto number = count > 0 && count <= static_cast<ssize_t>(kMaxText)
                            ? parse_hook_text({text.data(), static_cast<size_t>(count)})
                            : std::nullopt;
    return number ? std::optional(std::pair(status.st_uid, *number)) : std::nullopt;
}

std::optional<pid_t> parse_hook_name(std::string_view name) {
    const auto number = name.size() <= 7 ? parse_digits(name) : std::nullopt;
    return number && *number > 1 && *number <= kMaxPid ? number : std::nullopt;
}

std::optional<int> parse_hook_text(std::string_view text) {
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    const auto number = parse_digits(text);
    if (!number) {
        return std::nullopt;
    }
    const bool allowed = *number == SIGHUP || *number == SIGUSR1 || *number == SIGUSR2 ||
                         (*number >= kFirstRealTime && *number <= kLastRealTime);
    return allowed ? number : std::nullopt;
}

}  // namespace anchorhold::guest_init
