// Egress in a network namespace of the test's own, with a host made of socket pairs. Needs root.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/endian.h"
#include "base/sys.h"
#include "guest-init/egress/egress.h"
#include "proto/egress.pb.h"
#include "proto/frame.h"
#include "proto/ports.h"

namespace anchorhold::guest_init {

constexpr std::chrono::seconds kTestPatience(20);

// The far end of every stream waits here.
class FakeHost final : public HostConnector {
  public:
    enum class Manner { kAccept, kRefuse, kHangUp };

    [[nodiscard]] Result<OwnFd> connect(uint32_t port) override {
        if (manner == Manner::kRefuse) {
            return fail_errno(ECONNRESET, "connect");
        }
        auto [near, far] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM));
        ANCHORHOLD_TRY(sys::set_nonblocking(near.get()));
        const std::lock_guard lock(mutex_);
        ++streams;
        if (manner == Manner::kAccept) {
            const timeval patience{kTestPatience.count(), 0};
            ::setsockopt(far.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            waiting_[port].push_back(std::move(far));
            arrived_.notify_all();
        }
        return std::move(near);
    }

    // The next stream to `port`.
    [[nodiscard]] OwnFd accept(uint32_t port = proto::kEgressPort) {
        std::unique_lock lock(mutex_);
        if (!arrived_.wait_for(lock, kTestPatience, [&] { return !waiting_[port].empty(); })) {
            ADD_FAILURE() << "no stream to port " << port;
            return {};
        }
        OwnFd stream = std::move(waiting_[port].front());
        waiting_[port].pop_front();
        return stream;
    }

    std::atomic<Manner> manner = Manner::kAccept;
    std::atomic<size_t> streams = 0;

  private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::map<uint32_t, std::deque<OwnFd>> waiting_;
};

// Reads until `size` bytes are there or the stream ends.
inline std::string read_bytes(int fd, size_t size) {
    std::string bytes(size, '\0');
    size_t have = 0;
    while (have < size) {
        const ssize_t got = ::recv(fd, bytes.data() + have, size - have, 0);
        if (got <= 0) {
            break;
        }
        have += static_cast<size_t>(got);
    }
    bytes.resize(have);
    return bytes;
}

template <typename Message>
Message read_message(int fd) {
    Le32 length;
    const std::string header = read_bytes(fd, proto::kFrameHeaderSize);
    EXPECT_EQ(header.size(), proto::kFrameHeaderSize);
    if (header.size() == proto::kFrameHeaderSize) {
        std::memcpy(&length, header.data(), sizeof length);
    }
    return proto::parse<Message>(read_bytes(fd, length), "message").value();
}

inline sockaddr_storage address_of(const std::string& text, uint16_t port) {
    sockaddr_storage storage{};
    if (text.find(':') != std::string::npos) {
        auto* const address = reinterpret_cast<sockaddr_in6*>(&storage);
        address->sin6_family = AF_INET6;
        address->sin6_port = htons(port);
        EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &address->sin6_addr), 1);
    } else {
        auto* const address = reinterpret_cast<sockaddr_in*>(&storage);
        address->sin_family = AF_INET;
        address->sin_port = htons(port);
        EXPECT_EQ(::inet_pton(AF_INET, text.c_str(), &address->sin_addr), 1);
    }
    return storage;
}

// A socket that gives up after a while; connected for `connect_to`, bound for `bind_to`.
inline OwnFd make_socket(int type, const sockaddr_storage& address) {
    OwnFd socket(::socket(address.ss_family, type | SOCK_CLOEXEC, 0));
    const timeval patience{kTestPatience.count(), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return socket;
}

inline OwnFd connect_to(const std::string& text, uint16_t port, int type = SOCK_STREAM) {
    const sockaddr_storage address = address_of(text, port);
    OwnFd socket = make_socket(type, address);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                        address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)),
              0)
        << text << ": " << errno_text(errno);
    return socket;
}

inline OwnFd listen_on(const std::string& text, uint16_t port) {
    const sockaddr_storage address = address_of(text, port);
    OwnFd socket = make_socket(SOCK_STREAM, address);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                     address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)),
              0)
        << text << ": " << errno_text(errno);
    EXPECT_EQ(::listen(socket.get(), 16), 0);
    return socket;
}

// The wire form of a query for `name` (RFC 1035 §4.1).
inline std::string dns_query(const std::string& name, uint16_t type = dns::kTypeA) {
    std::string bytes("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    for (size_t start = 0; start < name.size();) {
        const size_t end = std::min(name.find('.', start), name.size());
        bytes.push_back(static_cast<char>(end - start));
        bytes += name.substr(start, end - start);
        start = end + 1;
    }
    bytes.push_back('\0');
    for (const uint16_t field : {type, dns::kClassIn}) {
        bytes.push_back(static_cast<char>(field >> 8));
        bytes.push_back(static_cast<char>(field & 0xff));
    }
    return bytes;
}

class EgressTest : public testing::Test {
  protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);
        ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWUTS), 0)
            << "these tests need root: " << errno_text(errno);
        auto started = Egress::start(host);
        ASSERT_TRUE(started) << started.error().message;
        egress = std::move(*started);
    }

    void hold() {
        std::promise<void> held;
        egress->hold([&held] { held.set_value(); });
        ASSERT_EQ(held.get_future().wait_for(kTestPatience), std::future_status::ready);
    }

    // Asks the stub over UDP; the last four bytes of an answer with an address are the address.
    static std::string ask(const std::string& query) {
        const OwnFd socket = connect_to("127.0.0.1", DnsStub::kPort, SOCK_DGRAM);
        EXPECT_EQ(::send(socket.get(), query.data(), query.size(), 0),
                  static_cast<ssize_t>(query.size()));
        char buffer[dns::kMaxAnswer];
        const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
        EXPECT_GT(got, 12);
        return {buffer, static_cast<size_t>(std::max<ssize_t>(got, 0))};
    }
    static std::string resolve(const std::string& name) {
        const std::string answer = ask(dns_query(name));
        in_addr address{};
        std::memcpy(&address, answer.data() + answer.size() - 4, 4);
        char text[INET_ADDRSTRLEN];
        return ::inet_ntop(AF_INET, &address, text, sizeof text);
    }

    FakeHost host;
    std::unique_ptr<Egress> egress;
};

}  // namespace anchorhold::guest_init
