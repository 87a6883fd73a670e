// rtnetlink(7), four requests in one datagram.
#include "guest-init/egress/local_routes.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace anchorhold::guest_init {
namespace {

constexpr uint32_t kLoopback = 1;  // the first device of every network namespace

const char* const kRequests[] = {"bring lo up", "give lo an address", "route IPv4 to lo",
                                 "route IPv6 to lo"};

// Messages one behind the other, each asking for an acknowledgement and numbered from 0.
class Batch {
  public:
    template <typename Body>
    void begin(uint16_t type, uint16_t flags, const Body& body) {
        start_ = bytes_.size();
        nlmsghdr header{};
        header.nlmsg_type = type;
        header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
        header.nlmsg_seq = count_++;
        append(&header, sizeof header);
        append(&body, sizeof body);
        finish();
    }
    template <typename Value>
    void attribute(uint16_t type, const Value& value) {
        const rtattr header{static_cast<uint16_t>(RTA_LENGTH(sizeof value)), type};
        append(&header, sizeof header);
        append(&value, sizeof value);
        finish();
    }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

  private:
    void append(const void* data, size_t size) {
        bytes_.append(static_cast<const char*>(data), size);
    }
    // The length so far, and the alignment the next part needs.
    void finish() {
        const auto length = static_cast<uint32_t>(bytes_.size() - start_);
        std::memcpy(bytes_.data() + start_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
        bytes_.resize(start_ + NLMSG_ALIGN(length));
    }

    std::string bytes_;
    size_t start_ = 0;
    uint32_t count_ = 0;
};
static_assert(sizeof(nlmsghdr) == 16 && sizeof(rtattr) == 4 && sizeof(ifinfomsg) == 16 &&
              sizeof(ifaddrmsg) == 8 && sizeof(rtmsg) == 12);

rtmsg local_route(uint8_t family) {
    rtmsg route{};
    route.rtm_family = family;
    route.rtm_table = RT_TABLE_LOCAL;
    route.rtm_protocol = RTPROT_BOOT;
    route.rtm_scope = RT_SCOPE_HOST;
    route.rtm_type = RTN_LOCAL;
    return route;
}

std::string requests() {
    Batch batch;
    ifinfomsg up{};
    up.ifi_index = static_cast<int>(kLoopback);
    up.ifi_flags = IFF_UP;
    up.ifi_change = IFF_UP;
    batch.begin(RTM_NEWLINK, 0, up);

    ifaddrmsg address{};
    address.ifa_family = AF_INET;
    address.ifa_prefixlen = 32;
    address.ifa_index = kLoopback;
    batch.begin(RTM_NEWADDR, NLM_F_CREATE, address);
    batch.attribute(IFA_LOCAL, kOwnAddress);

    batch.begin(RTM_NEWROUTE, NLM_F_CREATE, local_route(AF_INET));
    batch.attribute(RTA_OIF, kLoopback);
    batch.attribute(RTA_PREFSRC, kOwnAddress);
    batch.begin(RTM_NEWROUTE, NLM_F_CREATE, local_route(AF_INET6));
    batch.attribute(RTA_OIF, kLoopback);
    return batch.bytes();
}

// The start of an acknowledgement: nlmsgerr follows the header.
struct Answer {
    nlmsghdr header;
    int error;
};
static_assert(sizeof(Answer) == 20);

// Reads one acknowledgement for each request. Loopback in IPv6 is missing where the kernel was
// started without it: then there is nothing to capture either.
Status read_answers(int socket) {
    size_t answered = 0;
    while (answered < std::size(kRequests)) {
        char buffer[4096];
        const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
        if (got < 0) {
            return fail_errno("receive from rtnetlink");
        }
        std::string_view rest(buffer, static_cast<size_t>(got));
        Answer answer{};
        while (rest.size() >= sizeof answer) {
            std::memcpy(&answer, rest.data(), sizeof answer);
            const uint32_t request = answer.header.nlmsg_seq;
            if (answer.header.nlmsg_type == NLMSG_ERROR && request < std::size(kRequests)) {
                ++answered;
                const int code = -answer.error;
                if (code != 0 && code != EEXIST && code != EAFNOSUPPORT && code != EOPNOTSUPP) {
                    return fail_errno(code, "rtnetlink", kRequests[request]);
                }
            }
            const size_t length = NLMSG_ALIGN(answer.header.nlmsg_len);
            rest.remove_prefix(std::min(std::max(length, sizeof answer), rest.size()));
        }
    }
    return {};
}

}  // namespace

Status make_every_address_local() {
    const OwnFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket.valid()) {
        return fail_errno("socket", "rtnetlink");
    }
    const std::string batch = requests();
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::sendto(socket.get(), batch.data(), batch.size(), 0,
                 reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
        return fail_errno("send to rtnetlink");
    }
    return read_answers(socket.get());
}

}  // namespace anchorhold::guest_init
