// One netlink question, then /proc/PID/fd.
#include "guest-init/egress/client_process.h"

#include <dirent.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace anchorhold::guest_init {
namespace {

constexpr size_t kMaxExe = 255;  // StreamOpen.exe

struct Question {
    nlmsghdr header;
    inet_diag_req_v2 request;
};
static_assert(sizeof(Question) == 72 && sizeof(inet_diag_msg) == 72);

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

bool is_mapped(const sockaddr_in6& address) {
    return IN6_IS_ADDR_V4MAPPED(&address.sin6_addr);
}

// Addresses of an IPv4 connection are in the first word.
void put_address(__be32 (&field)[4], const sockaddr_in6& address) {
    if (is_mapped(address)) {
        std::memcpy(field, address.sin6_addr.s6_addr + 12, 4);
    } else {
        std::memcpy(field, address.sin6_addr.s6_addr, sizeof field);
    }
}

// The socket of exactly this pair of addresses.
std::optional<inet_diag_msg> diagnose(int socket, const sockaddr_in6& source,
                                      const sockaddr_in6& destination) {
    Question question{};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.request.sdiag_family = is_mapped(source) ? AF_INET : AF_INET6;
    question.request.sdiag_protocol = IPPROTO_TCP;
    question.request.idiag_states = ~0U;
    question.request.id.idiag_sport = source.sin6_port;
    question.request.id.idiag_dport = destination.sin6_port;
    put_address(question.request.id.idiag_src, source);
    put_address(question.request.id.idiag_dst, destination);
    question.request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    question.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (::send(socket, &question, sizeof question, 0) < 0) {
        return std::nullopt;
    }
    alignas(nlmsghdr) char buffer[1024];
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
    nlmsghdr header{};
    if (got < static_cast<ssize_t>(sizeof header + sizeof(inet_diag_msg))) {
        return std::nullopt;
    }
    std::memcpy(&header, buffer, sizeof header);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) {
        return std::nullopt;
    }
    inet_diag_msg message{};
    std::memcpy(&message, buffer + sizeof header, sizeof message);
    return message;
}

std::optional<pid_t> parse_pid(std::string_view name) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    return error == std::errc() && end == name.data() + name.size() && pid > 0 ? std::optional(pid)
                                                                               : std::nullopt;
}

std::string read_link(const std::string& path) {
    char target[kMaxExe];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    return length < 0 ? std::string() : std::string(target, static_cast<size_t>(length));
}

}  // namespace

ClientProcessFinder::ClientProcessFinder(const Clock& clock, std::string proc)
    : clock_(clock),
      proc_(std::move(proc)),
      diagnosis_(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)),
      refilled_(clock.now()) {}

ClientProcess ClientProcessFinder::find(const sockaddr_in6& client,
                                        const sockaddr_in6& destination) {
    ClientProcess result;
    const auto socket =
        diagnosis_.valid() ? diagnose(diagnosis_.get(), client, destination) : std::nullopt;
    if (!socket) {
        return result;
    }
    result.uid = socket->idiag_uid;
    if (socket->idiag_inode == 0) {
        return result;  // closed already
    }
    const TimePoint now = clock_.now();
    if (now - refilled_ >= std::chrono::seconds(1)) {
        links_left_ = kLinksPerSecond;
        refilled_ = now;
    }
    result.pid = holder_of(socket->idiag_inode);
    if (result.pid != 0) {
        result.exe = read_link(proc_ + "/" + std::to_string(result.pid) + "/exe");
    }
    return result;
}

pid_t ClientProcessFinder::holder_of(uint64_t inode) {
    for (auto known = recent_.begin(); known != recent_.end(); ++known) {
        if (*known != 0 && holds(*known, inode)) {
            std::rotate(recent_.begin(), known, known + 1);
            return recent_.front();
        }
    }
    const Directory processes(::opendir(proc_.c_str()));
    if (processes == nullptr) {
        return 0;
    }
    while (const dirent* entry = ::readdir(processes.get())) {
        const auto pid = parse_pid(entry->d_name);
        if (links_left_ == 0) {
            return 0;
        }
        if (pid && *pid != ::getpid() && holds(*pid, inode)) {
            std::rotate(recent_.begin(), recent_.end() - 1, recent_.end());
            recent_.front() = *pid;
            return *pid;
        }
    }
    return 0;
}

bool ClientProcessFinder::holds(pid_t pid, uint64_t inode) {
    if (links_left_ == 0) {
        return false;
    }
    --links_left_;  // the folder costs as much as a link
    const std::string folder = proc_ + "/" + std::to_string(pid) + "/fd";
    const Directory descriptors(::opendir(folder.c_str()));
    if (descriptors == nullptr) {
        return false;
    }
    const std::string wanted = "socket:[" + std::to_string(inode) + "]";
    while (const dirent* entry = ::readdir(descriptors.get())) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (links_left_ == 0) {
            return false;
        }
        --links_left_;
        if (read_link(folder + "/" + entry->d_name) == wanted) {
            return true;
        }
    }
    return false;
}

}  // namespace anchorhold::guest_init
