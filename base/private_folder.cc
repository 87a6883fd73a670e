// mkdir, then a look at what is there: somebody else may have been first.
#include "base/private_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/fd.h"

namespace anchorhold {
namespace {

// The variable's value where it is an absolute path (XDG Base Directory Specification: others are
// to be ignored).
const char* folder_variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value != nullptr && value[0] == '/' ? value : nullptr;
}

// A folder of ours that others could look into but not write to holds nothing of theirs: it was
// made with an ordinary umask by something that keeps less in it.
void close_to_others(const std::string& path) {
    const OwnFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (folder.valid() && ::fstat(folder.get(), &status) == 0 && status.st_uid == ::geteuid() &&
        (status.st_mode & 022) == 0 && (status.st_mode & 055) != 0) {
        [[maybe_unused]] const int closed = ::fchmod(folder.get(), 0700);
    }
}

}  // namespace

Status make_private_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) {
        return fail_errno("mkdir", path);
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) < 0) {
        return fail_errno("lstat", path);
    }
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
        return fail(path + " is not a folder that only user " + std::to_string(::geteuid()) +
                    " can enter; remove it or set XDG_RUNTIME_DIR and XDG_STATE_HOME");
    }
    return {};
}

Status make_private_folders(const std::string& path) {
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    std::error_code failed;
    std::filesystem::create_directories(parent, failed);
    if (failed) {
        return fail_errno(failed.value(), "make folder", parent.string());
    }
    close_to_others(path);
    return make_private_folder(path);
}

std::string runtime_folder_path() {
    if (const char* configured = folder_variable("XDG_RUNTIME_DIR")) {
        return std::string(configured) + "/anchorhold";
    }
    const std::string user = std::to_string(::geteuid());
    const std::string system = "/run/user/" + user;
    struct stat status {};
    if (::lstat(system.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
        status.st_uid == ::geteuid()) {
        return system + "/anchorhold";
    }
    if (::geteuid() == 0 && ::access("/run", W_OK) == 0) {
        return "/run/anchorhold";
    }
    return "/tmp/anchorhold-" + user;
}

Result<std::string> state_folder_path() {
    if (const char* configured = folder_variable("XDG_STATE_HOME")) {
        return std::string(configured) + "/anchorhold";
    }
    if (::geteuid() == 0) {
        return std::string("/var/lib/anchorhold");
    }
    if (const char* home = folder_variable("HOME")) {
        return std::string(home) + "/.local/state/anchorhold";
    }
    return fail("no place for sandboxes' state: set XDG_STATE_HOME or HOME to an absolute path");
}

}  // namespace anchorhold
