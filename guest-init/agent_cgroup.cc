// cgroup v2 by openat, below a directory that only init has
// (Documentation/admin-guide/cgroup-v2.rst).
#include "guest-init/agent_cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

constexpr uint64_t kReserve =
    12 * 1024 * 1024;  // what kernel and init allocate outside of the agent's group, and a margin

Status write_control(int directory, const char* file, std::string_view text) {
    const OwnFd fd(::openat(directory, file, O_WRONLY | O_CLOEXEC));
    if (!fd.valid() || ::write(fd.get(), text.data(), text.size()) < 0) {
        return fail_errno("write", std::string("cgroup ") + file);
    }
    return {};
}

std::string read_control(int directory, const char* file) {
    char text[512];
    const OwnFd fd(::openat(directory, file, O_RDONLY | O_CLOEXEC));
    const ssize_t count = fd.valid() ? ::read(fd.get(), text, sizeof text) : -1;
    return count > 0 ? std::string(text, static_cast<size_t>(count)) : std::string();
}

Result<OwnFd> make_group(int parent, const char* name) {
    if (::mkdirat(parent, name, 0755) < 0 && errno != EEXIST) {
        return fail_errno("mkdir", std::string("cgroup ") + name);
    }
    OwnFd directory(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
        return fail_errno("open", std::string("cgroup ") + name);
    }
    return directory;
}

}  // namespace

Result<AgentCgroup> AgentCgroup::create(OwnFd root, Limits limits,
                                        std::vector<std::string>& warnings) {
    const auto note = [&](const Status& status) {
        if (!status) {
            warnings.push_back(status.error().message);
        }
    };
    // Controllers first: turning them on over groups that have processes waits for RCU.
    note(write_control(root.get(), "cgroup.subtree_control", "+memory +pids"));
    AgentCgroup agent(ANCHORHOLD_TRY(make_group(root.get(), "agent")));
    const int directory = agent.directory_.get();
    note(write_control(directory, "cgroup.subtree_control", "+memory +pids"));
    note(write_control(directory, "memory.max", std::to_string(limits.memory_bytes)));
    note(write_control(directory, "pids.max", std::to_string(limits.processes)));
    agent.keep_spare();
    return agent;
}

Result<SessionCgroup> AgentCgroup::add_session() {
    if (spare_) {
        SessionCgroup session = std::move(*spare_);
        spare_.reset();
        return session;
    }
    sweep();
    return make_session();
}

void AgentCgroup::keep_spare() {
    if (!spare_) {
        if (auto made = make_session()) {
            spare_ = std::move(*made);
        }
    }
}

Result<SessionCgroup> AgentCgroup::make_session() {
    SessionCgroup session{"session-" + std::to_string(next_++), OwnFd()};
    session.directory = ANCHORHOLD_TRY(make_group(directory_.get(), session.name.c_str()));
    return session;
}

void AgentCgroup::retire(SessionCgroup session) {
    session.directory.reset();
    retired_.push_back(std::move(session.name));
    sweep();
    keep_spare();
}

void AgentCgroup::sweep() {
    std::erase_if(retired_, [this](const std::string& name) {
        return ::unlinkat(directory_.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno != EBUSY;
    });
}

void AgentCgroup::kill_everything(int milliseconds) {
    kill_all(directory_.get());
    const OwnFd events(::openat(directory_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
    char text[128];
    while (events.valid()) {
        const ssize_t count = ::pread(events.get(), text, sizeof text, 0);
        if (count <= 0 || std::string_view(text, static_cast<size_t>(count)).find("populated 1") ==
                              std::string_view::npos) {
            return;
        }
        pollfd changed{events.get(), POLLPRI, 0};
        if (::poll(&changed, 1, milliseconds) <= 0) {
            return;
        }
    }
}

void AgentCgroup::kill_all(int directory) {
    [[maybe_unused]] const Status killed = write_control(directory, "cgroup.kill", "1");
}

bool AgentCgroup::out_of_memory(int directory) {
    return counts_oom_kill(read_control(directory, "memory.events"));
}

uint64_t agent_memory_limit(uint64_t total) {
    const uint64_t reserve = kReserve + total / 64;
    return total > 2 * reserve ? total - reserve : total / 2;
}

bool counts_oom_kill(std::string_view memory_events) {
    constexpr std::string_view kKey = "oom_kill ";
    while (!memory_events.empty()) {
        const size_t end = memory_events.find('\n');
        const std::string_view line = memory_events.substr(0, end);
        if (line.starts_with(kKey)) {
            return line.substr(kKey.size()) != "0";
        }
        memory_events.remove_prefix(end == std::string_view::npos ? memory_events.size() : end + 1);
    }
    return false;
}

}  // namespace anchorhold::guest_init
