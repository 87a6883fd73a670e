// Child processes with pipes or a pseudo-terminal.
#include "vm/anchorhold.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "base/sys.h"

namespace anchorhold::vm_test {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

TimePoint deadline(std::chrono::seconds patience = kPatience) {
    return std::chrono::steady_clock::now() + patience;
}

int milliseconds_until(TimePoint when) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        when - std::chrono::steady_clock::now());
    return left.count() < 0 ? 0 : static_cast<int>(left.count());
}

SpawnRequest request_for(const Invocation& invocation) {
    SpawnRequest request;
    request.path = program_path();
    request.arguments = {"anchorhold"};
    request.arguments.insert(request.arguments.end(), invocation.arguments.begin(),
                             invocation.arguments.end());
    request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=xterm",
                           "XDG_CACHE_HOME=" + private_folder(),
                           "XDG_RUNTIME_DIR=" + private_folder()};
    for (const char* kept : {"ANCHORHOLD_IN_MACHINE", "ANCHORHOLD_LIBRARY", "ANCHORHOLD_LOG"}) {
        if (const char* value = std::getenv(kept)) {
            request.environment.push_back(std::string(kept) + "=" + value);
        }
    }
    for (const std::string& variable : invocation.environment) {
        const std::string name = variable.substr(0, variable.find('=') + 1);
        std::erase_if(request.environment,
                      [&](const std::string& other) { return other.starts_with(name); });
        request.environment.push_back(variable);
    }
    return request;
}

Invocation run_invocation(const std::vector<std::string>& command,
                          const std::vector<std::string>& options) {
    Invocation invocation;
    invocation.arguments = {"run", "--quiet", "--memory", "128M"};
    invocation.arguments.insert(invocation.arguments.end(), options.begin(), options.end());
    invocation.arguments.emplace_back("--");
    invocation.arguments.insert(invocation.arguments.end(), command.begin(), command.end());
    return invocation;
}

int status_of(const ExitStatus& ended) {
    return ended.signal != 0 ? 128 + ended.signal : ended.code;
}

// Waits for the child with a deadline; it stays unreaped when the deadline passes.
std::optional<int> wait_until(Child& child, TimePoint when) {
    pollfd ended{child.pidfd(), POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&ended, 1, milliseconds_until(when));
    } while (ready < 0 && errno == EINTR);
    if (ready != 1) {
        return std::nullopt;
    }
    return status_of(child.wait().value());
}

}  // namespace

std::string program_path() {
    const auto own = std::filesystem::read_symlink("/proc/self/exe");
    // <prefix>/tests/vm_tests or <prefix>/lib/anchorhold/tests/vm_tests
    for (auto folder = own.parent_path(); folder.has_relative_path();
         folder = folder.parent_path()) {
        if (std::filesystem::exists(folder / "bin/anchorhold")) {
            return folder / "bin/anchorhold";
        }
    }
    std::abort();
}

std::string library_path() {
    return std::filesystem::path(program_path()).parent_path().parent_path() / "lib/anchorhold";
}

Completed anchorhold(const Invocation& invocation) {
    SpawnRequest request = request_for(invocation);
    sys::Pipe out = sys::pipe().value();
    sys::Pipe err = sys::pipe().value();
    sys::Pipe in = sys::pipe().value();
    const OwnFd nothing = sys::open("/dev/null", O_RDONLY).value();
    request.descriptors = {{invocation.input.empty() ? nothing.get() : in.read_end.get(), 0},
                           {out.write_end.get(), 1},
                           {err.write_end.get(), 2}};
    Child child = spawn(request).value();
    out.write_end.reset();
    err.write_end.reset();
    in.read_end.reset();
    [[maybe_unused]] const Status set = sys::set_nonblocking(in.write_end.get());
    ::signal(SIGPIPE, SIG_IGN);  // a program that ends early stops reading its stdin

    Completed result;
    std::string_view input = invocation.input;
    if (input.empty()) {
        in.write_end.reset();
    }
    const TimePoint until = deadline(invocation.patience);
    while (out.read_end.valid() || err.read_end.valid()) {
        pollfd fds[3] = {{out.read_end.get(), POLLIN, 0},
                         {err.read_end.get(), POLLIN, 0},
                         {in.write_end.get(), POLLOUT, 0}};
        const int ready = ::poll(fds, 3, milliseconds_until(until));
        if (ready <= 0 && errno != EINTR) {
            result.timed_out = true;
            break;
        }
        std::byte buffer[65536];
        for (auto [index, fd, text] : {std::tuple(0, &out.read_end, &result.out),
                                       std::tuple(1, &err.read_end, &result.err)}) {
            if (fds[index].revents == 0) {
                continue;
            }
            const size_t count = sys::read_some(fd->get(), buffer).value_or(0).value_or(0);
            text->append(reinterpret_cast<const char*>(buffer), count);
            if (count == 0) {
                fd->reset();
            }
        }
        if (fds[2].revents != 0) {
            const auto written =
                sys::write_some(in.write_end.get(), std::as_bytes(std::span(input)));
            input.remove_prefix(written ? written->value_or(0) : input.size());
            if (input.empty()) {
                in.write_end.reset();
            }
        }
    }
    const auto status = wait_until(child, until);
    result.status = status.value_or(-1);
    result.timed_out = result.timed_out || !status;
    return result;
}

Completed run(const std::vector<std::string>& command, const std::vector<std::string>& options,
              const std::string& input) {
    Invocation invocation = run_invocation(command, options);
    invocation.input = input;
    if (!input.empty()) {
        invocation.arguments.insert(invocation.arguments.begin() + 1, "-i");
    }
    return anchorhold(invocation);
}

Running Running::command(const std::vector<std::string>& command,
                         const std::vector<std::string>& options, Streams streams) {
    return Running(run_invocation(command, options), streams);
}

Running::Running(const Invocation& invocation, Streams streams) : patience_(invocation.patience) {
    ::signal(SIGPIPE, SIG_IGN);  // a stand-in may write to a guest that has gone
    SpawnRequest request = request_for(invocation);
    request.new_session = true;
    if (streams == Streams::kTerminal) {
        int master = -1;
        int slave = -1;
        winsize size{24, 80, 0, 0};
        if (::openpty(&master, &slave, nullptr, nullptr, &size) != 0) {
            std::abort();
        }
        output_end_.reset(master);
        const OwnFd owned_slave(slave);
        ::fcntl(master, F_SETFD, FD_CLOEXEC);
        request.descriptors = {{slave, 0}, {slave, 1}, {slave, 2}};
        child_ = spawn(request).value();
        return;
    }
    sys::Pipe out = sys::pipe().value();
    const OwnFd nothing = sys::open("/dev/null", O_RDONLY).value();
    request.descriptors = {{nothing.get(), 0}, {out.write_end.get(), 1}, {out.write_end.get(), 2}};
    child_ = spawn(request).value();
    output_end_ = std::move(out.read_end);
}

bool Running::read_more(TimePoint until) {
    pollfd readable{output_end_.get(), POLLIN, 0};
    if (::poll(&readable, 1, milliseconds_until(until)) != 1) {
        return false;
    }
    std::byte buffer[4096];
    const auto count = sys::read_some(output_end_.get(), buffer);
    if (!count || count->value_or(0) == 0) {
        return false;  // a terminal whose last user has gone answers EIO
    }
    output_.append(reinterpret_cast<const char*>(buffer), **count);
    return true;
}

bool Running::wait_for_behind(size_t from, const std::string& text) {
    const TimePoint until = deadline(patience_);
    while (output_.find(text, from) == std::string::npos) {
        if (!read_more(until)) {
            return false;
        }
    }
    return true;
}

void Running::type(const std::string& keys) {
    [[maybe_unused]] const Status typed = sys::write_all(output_end_.get(), keys);
}

void Running::resize(unsigned rows, unsigned columns) {
    const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0,
                       0};
    ::ioctl(output_end_.get(), TIOCSWINSZ, &size);
    ::kill(child_.pid(), SIGWINCH);  // the program is not the terminal's session leader here
}

void Running::signal(int number) {
    [[maybe_unused]] const Status sent = child_.signal(number);
}

std::optional<int> Running::wait() {
    const TimePoint until = deadline(patience_);
    while (output_end_.valid() && read_more(until)) {
    }
    return wait_until(child_, until);
}

std::optional<int> Running::wait_for_process() {
    return wait_until(child_, deadline(patience_));
}

const std::string& private_folder() {
    struct Folder {
        std::string path = "/tmp/anchorhold-vm-test-XXXXXX";
        Folder() {
            if (::mkdtemp(path.data()) == nullptr) {
                std::abort();
            }
        }
        ~Folder() {
            std::error_code failed;
            std::filesystem::remove_all(path, failed);
        }
    };
    static const Folder folder;
    return folder.path;
}

std::optional<pid_t> vmm_of(pid_t parent) {
    const TimePoint until = deadline();
    const std::string children =
        "/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children";
    while (std::chrono::steady_clock::now() < until) {
        std::istringstream pids(sys::read_file(children).value_or(""));
        for (pid_t pid = 0; pids >> pid;) {
            if (sys::read_file("/proc/" + std::to_string(pid) + "/comm").value_or("") ==
                "anchorhold-vmm\n") {
                return pid;
            }
        }
        ::poll(nullptr, 0, 5);  // a process that appears is no event we could wait for
    }
    return std::nullopt;
}

}  // namespace anchorhold::vm_test
