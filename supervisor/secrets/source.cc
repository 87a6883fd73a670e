// Environment, file, program, systemd.
#include "supervisor/secrets/source.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/sys.h"

extern char** environ;  // NOLINT: POSIX names it so

namespace anchorhold::supervisor {

namespace {

constexpr auto kFileTime = std::chrono::seconds(60);

// Without the line ends that editors and programs put after it.
void trim(SecretValue& value) {
    const std::string_view text = value.view();
    const size_t last = text.find_last_not_of("\r\n");
    value.size = last == std::string_view::npos ? 0 : last + 1;
}

// Waits no longer than `deadline` for more of a pipe, or for the end behind a pidfd.
bool readable(int fd, std::chrono::steady_clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd waiting{fd, POLLIN, 0};
    return left.count() > 0 && ::poll(&waiting, 1, static_cast<int>(left.count())) > 0;
}

Result<SecretValue> read_value(int fd, const std::string& what,
                               std::chrono::steady_clock::time_point deadline) {
    SecretValue value{ANCHORHOLD_TRY(proxy::LockedMemory::allocate(kMaxSecret + 1)), 0};
    const std::span<char> bytes = value.memory.bytes();
    for (;;) {
        if (!readable(fd, deadline)) {
            return fail(what + ": no answer in time");
        }
        const auto read =
            ANCHORHOLD_TRY(sys::read_some(fd, std::as_writable_bytes(bytes.subspan(value.size))));
        if (read && *read == 0) {
            break;
        }
        value.size += read.value_or(0);
        if (value.size > kMaxSecret) {
            return fail(what + ": a secret is at most 64 KiB");
        }
    }
    trim(value);
    if (value.size == 0) {
        return fail(what + ": it is empty");
    }
    return value;
}

Result<SecretValue> fetch_from(const EnvironmentSource& source) {
    if (!source.value) {
        return fail("environment variable " + source.variable + " is not set; export it first");
    }
    SecretValue value{ANCHORHOLD_TRY(proxy::LockedMemory::allocate(source.value->size)),
                      source.value->size};
    std::ranges::copy(source.value->view(), value.memory.bytes().data());
    return value;
}

Result<SecretValue> read_file(const std::string& path) {
    const OwnFd file = ANCHORHOLD_TRY(sys::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    return read_value(file.get(), path, std::chrono::steady_clock::now() + kFileTime);
}

Result<SecretValue> fetch_from(const FileSource& source) {
    const OwnFd file = ANCHORHOLD_TRY(sys::open(source.path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    ANCHORHOLD_TRY(check_private_file(file.get(), source.path));
    return read_value(file.get(), source.path, std::chrono::steady_clock::now() + kFileTime);
}

// Where the name has no slash, the first executable of that name in $PATH.
std::string program_path(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return name;
    }
    const char* const path = std::getenv("PATH");  // NOLINT: before there are threads
    const std::string folders = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
    for (size_t start = 0; start <= folders.size();) {
        const size_t end = std::min(folders.find(':', start), folders.size());
        const std::string candidate = folders.substr(start, end - start) + "/" + name;
        if (::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
        start = end + 1;
    }
    return name;
}

Result<SecretValue> fetch_from(const CommandSource& source) {
    const std::string what = "command " + source.arguments.front();
    sys::Pipe output = ANCHORHOLD_TRY(sys::pipe());
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDONLY));
    SpawnRequest request;
    request.path = program_path(source.arguments.front());
    request.arguments = source.arguments;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        request.environment.emplace_back(*variable);
    }
    request.descriptors = {{nothing.get(), STDIN_FILENO},
                           {output.write_end.get(), STDOUT_FILENO},
                           {STDERR_FILENO, STDERR_FILENO}};
    request.new_session = true;  // and so a process group, which ends as a whole
    auto child = spawn(request);
    if (!child) {
        return tl::unexpected(child.error().within(what));
    }
    output.write_end.reset();
    const auto deadline = std::chrono::steady_clock::now() + source.patience;
    auto value = read_value(output.read_end.get(), what, deadline);
    output.read_end.reset();
    // One that has said its value and stays is as late as one that says nothing.
    const bool ended = value && readable(child->pidfd(), deadline);
    if (!ended) {
        // Not reaped yet, so the number is still this child's.
        ANCHORHOLD_CHECK(child->pid() > 1);
        ::kill(-child->pid(), SIGKILL);
    }
    const ExitStatus status = ANCHORHOLD_TRY(child->wait());
    if (value && !ended) {
        return fail(what + ": it did not end within its time");
    }
    if (status.signal == 0 && status.code != 0) {
        return fail(what + ": it ended with status " + std::to_string(status.code));
    }
    return value;
}

Result<SecretValue> fetch_from(const SystemdSource& source) {
    const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT: see above
    if (folder == nullptr) {
        return fail("systemd credential " + source.name +
                    ": there is no $CREDENTIALS_DIRECTORY; set LoadCredential= in the unit");
    }
    return read_file(std::string(folder) + "/" + source.name);
}

}  // namespace

Result<EnvironmentSource> take_environment(const std::string& variable) {
    EnvironmentSource source{variable, nullptr};
    char* const text = std::getenv(variable.c_str());  // NOLINT: before there are threads
    if (text == nullptr || *text == '\0') {
        return source;
    }
    const size_t size = std::strlen(text);
    if (size > kMaxSecret) {
        return fail("environment variable " + variable + ": a secret is at most 64 KiB");
    }
    SecretValue value{ANCHORHOLD_TRY(proxy::LockedMemory::allocate(size)), size};
    std::ranges::copy(std::string_view(text, size), value.memory.bytes().data());
    trim(value);
    OPENSSL_cleanse(text, size);
    ::unsetenv(variable.c_str());  // NOLINT: before there are threads
    source.value = std::make_shared<const SecretValue>(std::move(value));
    return source;
}

Result<SecretValue> fetch(const SecretSource& source) {
    return std::visit([](const auto& one) { return fetch_from(one); }, source);
}

Status check_private_file(int fd, const std::string& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return fail_errno("fstat", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(path + ": not a regular file");
    }
    if (status.st_uid != ::geteuid() && status.st_uid != 0) {
        return fail(path + ": it belongs to another user; use a file of your own");
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return fail(path + ": others may read or write it; chmod 600 " + path);
    }
    return {};
}

}  // namespace anchorhold::supervisor
