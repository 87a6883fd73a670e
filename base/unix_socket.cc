// The folder is opened first and the socket named through it: sun_path has 108 bytes.
#include "base/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/sys.h"

namespace anchorhold {
namespace {

constexpr int kBacklog = 512;

struct Place {
    OwnFd folder;
    std::string name;
};

Result<Place> place_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    Place place;
    place.name = slash == std::string::npos ? path : path.substr(slash + 1);
    place.folder = ANCHORHOLD_TRY(sys::open(folder, O_PATH | O_DIRECTORY));
    return place;
}

Result<sockaddr_un> address_of(const Place& place) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path =
        "/proc/self/fd/" + std::to_string(place.folder.get()) + "/" + place.name;
    if (place.name.empty() || path.size() >= sizeof address.sun_path) {
        return fail_errno(ENAMETOOLONG, "socket", place.name);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Result<OwnFd> unix_socket(int type) {
    OwnFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
        return fail_errno("socket", "AF_UNIX");
    }
    return fd;
}

Status remove_stale(const Place& place, const std::string& path) {
    struct stat status {};
    if (::fstatat(place.folder.get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno == ENOENT ? Status() : Status(fail_errno("stat", path));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(path + ": something that is no socket has this name", EEXIST);
    }
    if (::unlinkat(place.folder.get(), place.name.c_str(), 0) < 0 && errno != ENOENT) {
        return fail_errno("unlink", path);
    }
    return {};
}

}  // namespace

Result<OwnFd> listen_unix(const std::string& path, int type) {
    const Place place = ANCHORHOLD_TRY(place_of(path));
    const sockaddr_un address = ANCHORHOLD_TRY(address_of(place));
    ANCHORHOLD_TRY(remove_stale(place, path));
    OwnFd fd = ANCHORHOLD_TRY(unix_socket(type | SOCK_NONBLOCK));
    // The socket's inode, and with it the name, begins with this mode: no moment in which others
    // may connect.
    if (::fchmod(fd.get(), 0600) < 0) {
        return fail_errno("fchmod", path);
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail_errno("bind", path);
    }
    if (::listen(fd.get(), kBacklog) < 0) {
        return fail_errno("listen", path);
    }
    return fd;
}

Result<OwnFd> connect_unix(const std::string& path, int type) {
    const Place place = ANCHORHOLD_TRY(place_of(path));
    const sockaddr_un address = ANCHORHOLD_TRY(address_of(place));
    OwnFd fd = ANCHORHOLD_TRY(unix_socket(type));
    int result = 0;
    do {
        result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return fail_errno("connect", path);
    }
    return fd;
}

Result<uid_t> peer_user(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
        return fail_errno("getsockopt", "SO_PEERCRED");
    }
    return peer.uid;
}

}  // namespace anchorhold
