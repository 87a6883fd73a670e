// One process, level-triggered epoll, non-blocking sessions.
#include "bench/proxy/origin.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

constexpr size_t kPiece = size_t{64} << 10;
constexpr std::string_view kBulkPath = "GET /bulk/";

struct Client {
    OwnFd fd;
    SSL* session = nullptr;
    std::string in;
    std::string out;       // a head, or a head and a small body
    size_t sent = 0;       // of `out`
    uint64_t to_come = 0;  // bytes of body behind `out`
    bool waits_for_room = false;

    explicit Client(OwnFd socket, SSL_CTX* context)
        : fd(std::move(socket)), session(SSL_new(context)) {
        SSL_set_fd(session, fd.get());
        SSL_set_accept_state(session);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { SSL_free(session); }

    // False: the client is gone.
    bool turn(const std::string& filling);

  private:
    bool answer(const std::string& filling);
    bool flush(const std::string& filling);
};

bool Client::answer(const std::string& filling) {
    const auto end = in.find("\r\n\r\n");
    if (end == std::string::npos) {
        return false;
    }
    uint64_t size = kSmallAnswer;
    if (in.starts_with(kBulkPath)) {
        std::from_chars(in.data() + kBulkPath.size(), in.data() + end, size);
    }
    in.erase(0, end + 4);
    out = fmt::format("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
                      size);
    sent = 0;
    to_come = size;
    if (size <= kPiece) {
        out.append(filling, 0, size);
        to_come = 0;
    }
    return true;
}

bool Client::flush(const std::string& filling) {
    while (sent < out.size() || to_come > 0) {
        const bool head = sent < out.size();
        const char* bytes = head ? out.data() + sent : filling.data();
        const size_t size = head ? out.size() - sent : std::min<uint64_t>(to_come, kPiece);
        size_t count = 0;
        if (SSL_write_ex(session, bytes, size, &count) != 1) {
            waits_for_room = SSL_get_error(session, 0) == SSL_ERROR_WANT_WRITE;
            return waits_for_room;
        }
        (head ? sent : to_come) += head ? count : -count;
    }
    waits_for_room = false;
    return true;
}

bool Client::turn(const std::string& filling) {
    std::array<char, 16384> buffer{};
    for (;;) {
        ERR_clear_error();
        if (!flush(filling)) {
            return false;
        }
        if (waits_for_room || answer(filling)) {
            if (waits_for_room) {
                return true;
            }
            continue;
        }
        size_t count = 0;
        if (SSL_read_ex(session, buffer.data(), buffer.size(), &count) != 1) {
            const int error = SSL_get_error(session, 0);
            return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
        }
        in.append(buffer.data(), count);
    }
}

[[noreturn]] void serve(int listener, SSL_CTX* context) {
    const std::string filling(kPiece, 'x');
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    std::unordered_map<int, std::unique_ptr<Client>> clients;
    const auto watch = [epoll](int operation, int fd, uint32_t wanted) {
        epoll_event event{};
        event.events = wanted;
        event.data.fd = fd;
        ::epoll_ctl(epoll, operation, fd, &event);
    };
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    std::array<epoll_event, 64> events{};
    for (;;) {
        const int ready = ::epoll_wait(epoll, events.data(), events.size(), -1);
        for (int i = 0; i < ready; ++i) {
            const int fd = events[static_cast<size_t>(i)].data.fd;
            if (fd == listener) {
                OwnFd socket(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
                if (socket.valid()) {
                    const int on = 1;
                    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    const int number = socket.get();
                    clients[number] = std::make_unique<Client>(std::move(socket), context);
                    watch(EPOLL_CTL_ADD, number, EPOLLIN);
                }
                continue;
            }
            Client& client = *clients.at(fd);
            const bool waited = client.waits_for_room;
            if (!client.turn(filling)) {
                clients.erase(fd);
            } else if (client.waits_for_room != waited) {
                watch(EPOLL_CTL_MOD, fd, client.waits_for_room ? EPOLLOUT : EPOLLIN);
            }
        }
    }
}

}  // namespace

Result<Listener> listen_on_loopback() {
    Listener made;
    made.socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (!made.socket.valid() ||
        ::bind(made.socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(made.socket.get(), SOMAXCONN) != 0 ||
        ::getsockname(made.socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return fail_errno("listen", "a port of 127.0.0.1");
    }
    made.port = ntohs(address.sin_port);
    return made;
}

Result<OwnFd> connect_to_loopback(uint16_t port) {
    OwnFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const int on = 1;
    if (!socket.valid() ||
        ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        return fail_errno("connect", fmt::format("127.0.0.1:{}", port));
    }
    return socket;
}

Result<Origin> Origin::start(const BenchCertificates& certificates) {
    Listener listener = ANCHORHOLD_TRY(listen_on_loopback());
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context, certificates.chain.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, certificates.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(context);
        return fail("cannot read " + certificates.chain);
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const pid_t pid = ::fork();
    if (pid < 0) {
        SSL_CTX_free(context);
        return fail_errno("fork");
    }
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::signal(SIGPIPE, SIG_IGN);
        serve(listener.socket.get(), context);
    }
    SSL_CTX_free(context);
    return Origin(pid, listener.port);
}

Origin::Origin(Origin&& other) noexcept : pid_(std::exchange(other.pid_, -1)), port_(other.port_) {}

Origin::~Origin() {
    if (pid_ > 1) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

}  // namespace anchorhold::bench
