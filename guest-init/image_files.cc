// open with care, unlink, create.
#include "guest-init/image_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

void make_parents(const std::string& path) {
    for (size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        ::mkdir(path.substr(0, slash).c_str(), 0755);
    }
}

}  // namespace

std::string read_regular(const std::string& path, size_t limit) {
    // Nonblocking: a FIFO may be in its place.
    const OwnFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!fd.valid() || ::fstat(fd.get(), &status) < 0 || !S_ISREG(status.st_mode)) {
        return {};
    }
    std::string text(std::min(static_cast<size_t>(status.st_size), limit), '\0');
    size_t have = 0;
    while (have < text.size()) {
        const auto got =
            sys::read_some(fd.get(), std::as_writable_bytes(std::span(text)).subspan(have));
        const size_t count = got ? got->value_or(0) : 0;
        if (count == 0) {
            break;
        }
        have += count;
    }
    text.resize(have);
    return text;
}

Status replace_file(const std::string& path, std::string_view text) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT && errno != ENOTDIR) {
        return fail_errno("unlink", path);
    }
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    auto fd = sys::open(path, kFlags, 0644);
    if (!fd && fd.error().code == ENOENT) {
        make_parents(path);
        fd = sys::open(path, kFlags, 0644);
    }
    if (!fd) {
        return tl::unexpected(fd.error());
    }
    return sys::write_all(fd->get(), text);
}

}  // namespace anchorhold::guest_init
