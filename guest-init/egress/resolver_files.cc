// Three small files that came with the image: text from outside, and maybe links to anywhere.
#include "guest-init/egress/resolver_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

constexpr std::string_view kResolvConf = "nameserver 127.0.0.1\n";
constexpr std::string_view kHosts =
    "127.0.0.1\tlocalhost anchorhold\n::1\tlocalhost ip6-localhost ip6-loopback\n";
constexpr size_t kMaxFile = 64 * 1024;

// The text of a regular file; empty where there is none.
std::string read_regular(const std::string& path) {
    const OwnFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    struct stat status {};
    if (!fd.valid() || ::fstat(fd.get(), &status) < 0 || !S_ISREG(status.st_mode)) {
        return {};
    }
    std::string text(kMaxFile, '\0');
    const auto got = sys::read_some(fd.get(), std::as_writable_bytes(std::span(text)));
    text.resize(got ? got->value_or(0) : 0);
    return text;
}

// A file of its own in place of whatever is there, a link into /run too.
Status replace(const std::string& path, std::string_view text) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) {
        return fail_errno("unlink", path);
    }
    const OwnFd fd =
        ANCHORHOLD_TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
    return sys::write_all(fd.get(), text);
}

bool is_word_end(std::string_view text, size_t at) {
    return at >= text.size() || text[at] == ' ' || text[at] == '\t' || text[at] == '\n';
}

// nsswitch.conf(5): the line "hosts: …" with "dns" at its end where it had none; empty where
// nothing is to be changed.
std::string with_dns(const std::string& text) {
    size_t line = 0;
    while (line < text.size() && text.compare(line, 6, "hosts:") != 0) {
        const size_t end = text.find('\n', line);
        line = end == std::string::npos ? text.size() : end + 1;
    }
    if (line >= text.size()) {
        return {};
    }
    const size_t end = std::min(text.find('\n', line), text.size());
    const std::string_view hosts = std::string_view(text).substr(line, end - line);
    for (size_t at = hosts.find("dns"); at != std::string_view::npos;
         at = hosts.find("dns", at + 3)) {
        if (is_word_end(hosts, at + 3) &&
            (hosts[at - 1] == ' ' || hosts[at - 1] == '\t' || hosts[at - 1] == ':')) {
            return {};
        }
    }
    return std::string(text).insert(end, " dns");
}

}  // namespace

Status point_resolver_at_stub(const std::string& etc) {
    if (read_regular(etc + "/resolv.conf") != kResolvConf) {
        ANCHORHOLD_TRY(replace(etc + "/resolv.conf", kResolvConf));
    }
    if (::access((etc + "/hosts").c_str(), F_OK) < 0 && errno == ENOENT) {
        ANCHORHOLD_TRY(replace(etc + "/hosts", kHosts));
    }
    const std::string changed = with_dns(read_regular(etc + "/nsswitch.conf"));
    return changed.empty() ? Status{} : replace(etc + "/nsswitch.conf", changed);
}

}  // namespace anchorhold::guest_init
