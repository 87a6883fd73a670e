// Level-triggered epoll over non-blocking OpenSSL sessions.
#include "bench/proxy/load.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/sys.h"

namespace anchorhold::bench {
namespace {

constexpr size_t kRead = 65536;
constexpr size_t kMaxHead = 16384;
constexpr int kPatienceMs = 30'000;

struct FreeSession {
    void operator()(SSL* session) const { SSL_free(session); }
};
struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

uint64_t now_ns() {
    return static_cast<uint64_t>(steady_clock().now().time_since_epoch().count());
}

std::string_view field(std::string_view head, std::string_view name) {
    const auto same = [](char left, char right) { return (left | 0x20) == (right | 0x20); };
    const auto at = std::search(head.begin(), head.end(), name.begin(), name.end(), same);
    if (at == head.end()) {
        return {};
    }
    const auto begin = static_cast<size_t>(at - head.begin()) + name.size();
    return head.substr(begin, head.find('\r', begin) - begin);
}

}  // namespace

struct LoadConnections::Connection {
    OwnFd fd;
    std::unique_ptr<SSL, FreeSession> session;
    std::string_view unsent;
    std::string head;                 // until its end was seen
    std::optional<uint64_t> missing;  // bytes of the body; nullopt: in the head, or chunked
    bool chunked = false;
    std::string tail;  // the last bytes of a chunked body
    uint64_t begun = 0;
    uint64_t body = 0;
    bool busy = false;

    void begin(std::string_view request, uint64_t now) {
        unsent = request;
        head.clear();
        missing.reset();
        chunked = false;
        tail.clear();
        begun = now;
        body = 0;
        busy = true;
    }
    // Sends what is unsent.
    Status send() {
        while (!unsent.empty()) {
            size_t count = 0;
            if (SSL_write_ex(session.get(), unsent.data(), unsent.size(), &count) != 1) {
                return SSL_get_error(session.get(), 0) == SSL_ERROR_WANT_WRITE
                           ? Status()
                           : fail("the connection was lost while a request was sent");
            }
            unsent.remove_prefix(count);
        }
        return {};
    }
    // Reads what is there; true: the answer is whole.
    Result<bool> receive(std::span<char> buffer) {
        for (;;) {
            size_t count = 0;
            if (SSL_read_ex(session.get(), buffer.data(), buffer.size(), &count) != 1) {
                if (SSL_get_error(session.get(), 0) == SSL_ERROR_WANT_READ) {
                    return false;
                }
                ERR_clear_error();
                return fail("the connection ended inside an answer");
            }
            if (ANCHORHOLD_TRY(take({buffer.data(), count}))) {
                return true;
            }
        }
    }
    Result<bool> take(std::string_view bytes) {
        if (!missing && !chunked) {
            head += bytes;
            const auto end = head.find("\r\n\r\n");
            if (end == std::string::npos) {
                return head.size() < kMaxHead ? Result<bool>(false) : fail("a head without an end");
            }
            const std::string rest = head.substr(end + 4);
            head.resize(end + 2);
            if (!head.starts_with("HTTP/1.1 200")) {
                return fail("the answer is not 200: " + head.substr(0, head.find('\r')));
            }
            const std::string_view length = field(head, "\r\ncontent-length: ");
            uint64_t size = 0;
            if (!length.empty()) {
                std::from_chars(length.data(), length.data() + length.size(), size);
                missing = size;
            } else {
                chunked = true;
            }
            return take_body(rest);
        }
        return take_body(bytes);
    }
    Result<bool> take_body(std::string_view bytes) {
        body += bytes.size();
        if (chunked) {
            // Bodies here hold no line ends of their own.
            constexpr std::string_view kEnd = "\r\n0\r\n\r\n";
            tail += bytes;
            tail.erase(0, tail.size() - std::min(tail.size(), kEnd.size()));
            return tail == kEnd;
        }
        if (bytes.size() > *missing) {
            return fail("more came than the answer's length");
        }
        *missing -= bytes.size();
        return *missing == 0;
    }
};

LoadConnections::LoadConnections() = default;
LoadConnections::~LoadConnections() = default;

Result<std::unique_ptr<LoadConnections>> LoadConnections::open(const LoadTarget& target,
                                                               size_t count,
                                                               const std::string& request) {
    const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
    if (SSL_CTX_load_verify_locations(context.get(), target.authority.c_str(), nullptr) != 1) {
        return fail("cannot read the certificates in " + target.authority);
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    std::unique_ptr<LoadConnections> made(new LoadConnections());
    made->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    for (size_t i = 0; i < count; ++i) {
        auto connection = std::make_unique<Connection>();
        connection->fd = ANCHORHOLD_TRY(target.connect());
        connection->session.reset(SSL_new(context.get()));
        SSL* session = connection->session.get();
        std::string name = target.host;
        SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
        SSL_set1_host(session, name.c_str());
        SSL_set_fd(session, connection->fd.get());
        if (SSL_connect(session) != 1) {
            const char* reason = ERR_reason_error_string(ERR_get_error());
            ERR_clear_error();
            return fail(fmt::format("connection {}: TLS with {}: {}", i + 1, target.host,
                                    reason != nullptr ? reason : "the peer ended it"));
        }
        ANCHORHOLD_TRY(sys::set_nonblocking(connection->fd.get()));
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = connection.get();
        if (::epoll_ctl(made->epoll_.get(), EPOLL_CTL_ADD, connection->fd.get(), &event) != 0) {
            return fail_errno("epoll_ctl");
        }
        made->connections_.push_back(std::move(connection));
        bool first = true;
        ANCHORHOLD_TRY(made->drive(std::span(made->connections_).last(1), request,
                                   [&first](uint64_t) { return std::exchange(first, false); }));
    }
    // All at once too: proxies that share connections upstream make as many as are needed.
    ANCHORHOLD_TRY(made->run_once(request));
    return made;
}

Result<LoadResult> LoadConnections::drive(std::span<const std::unique_ptr<Connection>> connections,
                                          const std::string& request,
                                          std::function<bool(uint64_t now_ns)> another) {
    LoadResult result;
    const uint64_t begun = now_ns();
    size_t busy = 0;
    for (const auto& connection : connections) {
        if (another(begun)) {
            connection->begin(request, now_ns());
            ANCHORHOLD_TRY(connection->send());
            ++busy;
        }
    }
    std::vector<char> buffer(kRead);
    std::array<epoll_event, 64> events{};
    while (busy > 0) {
        const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), kPatienceMs);
        if (ready == 0) {
            return fail(fmt::format("no answer came within {} s", kPatienceMs / 1000));
        }
        for (int i = 0; i < ready; ++i) {
            auto& connection = *static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
            ANCHORHOLD_TRY(connection.send());
            if (!ANCHORHOLD_TRY(connection.receive(buffer))) {
                continue;
            }
            const uint64_t now = now_ns();
            result.latencies_ns.push_back(now - connection.begun);
            result.bytes += connection.body;
            ++result.requests;
            if (another(now)) {
                connection.begin(request, now);
                ANCHORHOLD_TRY(connection.send());
            } else {
                connection.busy = false;
                --busy;
            }
        }
    }
    result.elapsed_ns = now_ns() - begun;
    return result;
}

Result<LoadResult> LoadConnections::run(const std::string& request,
                                        std::chrono::milliseconds time) {
    const uint64_t end =
        now_ns() +
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
    return drive(connections_, request, [end](uint64_t now) { return now < end; });
}

Result<LoadResult> LoadConnections::run_once(const std::string& request) {
    size_t left = connections_.size();
    return drive(connections_, request,
                 [left](uint64_t) mutable { return left > 0 && left-- > 0; });
}

}  // namespace anchorhold::bench
