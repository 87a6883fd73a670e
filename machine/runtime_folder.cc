// Private folders, their locks and their sockets.
#include "machine/runtime_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/private_folder.h"
#include "base/sys.h"

namespace anchorhold::machine {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
constexpr int kBacklog = 128;

sockaddr_un address_of(int folder, const char* socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(folder) + "/" + socket;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
}

Result<OwnFd> unix_socket(int flags) {
    OwnFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    if (!fd.valid()) {
        return fail_errno("socket", "AF_UNIX");
    }
    return fd;
}

}  // namespace

Result<std::string> runtime_folder() {
    std::string path = runtime_folder_path();
    ANCHORHOLD_TRY(make_private_folder(path));
    return path;
}

Result<std::vector<std::string>> list_machine_folders() {
    const std::string base = ANCHORHOLD_TRY(runtime_folder());
    std::vector<std::string> paths;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(base, failed)) {
        if (entry.path().filename().string().starts_with("machine-")) {
            paths.push_back(entry.path().string());
        }
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

Result<MachineFolder> MachineFolder::create(const std::string& name) {
    const std::string path = ANCHORHOLD_TRY(runtime_folder()) + "/" + name;
    ANCHORHOLD_TRY(make_private_folder(path));
    return open(path);
}

Result<MachineFolder> MachineFolder::open(const std::string& path) {
    OwnFd fd = ANCHORHOLD_TRY(sys::open(path, kFolderFlags));
    return MachineFolder(path, std::move(fd));
}

Result<bool> MachineFolder::lock() {
    while (::flock(fd_.get(), LOCK_EX) < 0) {
        if (errno != EINTR) {
            return fail_errno("flock", path_);
        }
    }
    struct stat ours {};
    struct stat there {};
    const bool same = ::fstat(fd_.get(), &ours) == 0 && ::lstat(path_.c_str(), &there) == 0 &&
                      ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
    return same;
}

Result<OwnFd> MachineFolder::connect(const char* socket) const {
    OwnFd fd = ANCHORHOLD_TRY(unix_socket(0));
    const sockaddr_un address = address_of(fd_.get(), socket);
    int result = 0;
    do {
        result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return fail_errno("connect", path_ + "/" + socket);
    }
    return fd;
}

Result<OwnFd> MachineFolder::listen(const char* socket) const {
    OwnFd fd = ANCHORHOLD_TRY(unix_socket(SOCK_NONBLOCK));
    if (::unlinkat(fd_.get(), socket, 0) < 0 && errno != ENOENT) {
        return fail_errno("unlink", path_ + "/" + socket);
    }
    const sockaddr_un address = address_of(fd_.get(), socket);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail_errno("bind", path_ + "/" + socket);
    }
    if (::listen(fd.get(), kBacklog) < 0) {
        return fail_errno("listen", path_ + "/" + socket);
    }
    return fd;
}

void MachineFolder::remove() const {
    for (const char* name : {kExecSocket, kControlSocket, kConsoleLog, kRelayLog, kShareLink}) {
        ::unlinkat(fd_.get(), name, 0);
    }
    ::rmdir(path_.c_str());
}

void remove_tree(const std::string& path) {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
}

}  // namespace anchorhold::machine
