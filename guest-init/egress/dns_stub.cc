// UDP, and DNS over TCP with its two bytes of length (RFC 1035 §4.2.2, RFC 7766).
#include "guest-init/egress/dns_stub.h"

#include <netinet/in.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

constexpr int kDatagramsPerTurn = 64;
constexpr size_t kMaxTcpClients = 32;
constexpr Duration kTcpIdle = std::chrono::seconds(10);
constexpr int kBacklog = 64;
constexpr uint8_t kLoopback4[4] = {127, 0, 0, 1};
constexpr uint8_t kLoopback6[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

Result<OwnFd> bound_socket(int type, uint16_t port) {
    OwnFd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!socket.valid()) {
        return fail_errno("socket", "DNS");
    }
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail_errno("bind", "127.0.0.1 port " + std::to_string(port));
    }
    return socket;
}

bool is_localhost(std::string_view name) {
    return name == "localhost" || name.ends_with(".localhost");
}

// As hosts(5) would have it; a resume may have changed it a moment ago.
bool is_own_name(std::string_view name) {
    char own[HOST_NAME_MAX + 1] = {};
    return ::gethostname(own, sizeof own - 1) == 0 && name.size() == std::strlen(own) &&
           ::strncasecmp(name.data(), own, name.size()) == 0;
}

}  // namespace

// One connection: queries in, answers out, one behind the other.
class DnsStub::TcpClient {
  public:
    TcpClient(DnsStub& stub, OwnFd socket) : stub_(stub), socket_(std::move(socket)) {
        idle_ = stub_.loop_.add_timer(kTcpIdle, [this] { end(); });
    }
    ~TcpClient() { close(); }
    TcpClient(const TcpClient&) = delete;
    TcpClient& operator=(const TcpClient&) = delete;

    Status start() {
        return stub_.loop_.add(socket_.get(), EPOLLIN,
                               [this](uint32_t events) { on_events(events); });
    }

  private:
    void on_events(uint32_t events) {
        if (!socket_.valid()) {
            return;
        }
        const bool ok = (events & EPOLLOUT) != 0 ? flush() : read();
        if (!ok) {
            end();
            return;
        }
        const uint32_t wanted = out_.empty() ? EPOLLIN : EPOLLOUT;
        if (!stub_.loop_.modify(socket_.get(), wanted)) {
            end();
        }
    }

    bool read() {
        std::array<std::byte, 2048> chunk;
        const auto got = sys::read_some(socket_.get(), chunk);
        if (!got || (got->has_value() && **got == 0)) {
            return false;
        }
        in_.append(reinterpret_cast<const char*>(chunk.data()), got->value_or(0));
        return serve() && flush();
    }

    // Answers every whole query that is here.
    bool serve() {
        size_t used = 0;
        for (;;) {
            const auto rest =
                std::span(reinterpret_cast<const uint8_t*>(in_.data()), in_.size()).subspan(used);
            if (rest.size() < 2) {
                break;
            }
            const size_t length = static_cast<size_t>((rest[0] << 8) | rest[1]);
            if (length > dns::kMaxQuery) {
                return false;
            }
            if (rest.size() - 2 < length) {
                break;
            }
            const std::string answer = stub_.answer(rest.subspan(2, length));
            if (answer.empty()) {
                return false;
            }
            out_.push_back(static_cast<char>(answer.size() >> 8));
            out_.push_back(static_cast<char>(answer.size() & 0xff));
            out_ += answer;
            used += 2 + length;
        }
        in_.erase(0, used);
        return true;
    }

    bool flush() {
        if (out_.empty()) {
            return true;
        }
        const auto sent = sys::write_some(socket_.get(), std::as_bytes(std::span(out_)));
        if (!sent) {
            return false;
        }
        out_.erase(0, sent->value_or(0));
        stub_.loop_.cancel_timer(idle_);
        idle_ = stub_.loop_.add_timer(kTcpIdle, [this] { end(); });
        return true;
    }

    void close() {
        stub_.loop_.cancel_timer(idle_);
        if (socket_.valid()) {
            stub_.loop_.remove(socket_.get());
            socket_.reset();
        }
    }
    void end() {
        close();
        stub_.remove(this);
    }

    DnsStub& stub_;
    OwnFd socket_;
    EventLoop::TimerId idle_ = 0;
    std::string in_;   // less than a chunk and a query
    std::string out_;  // nothing is read while it waits
};

Result<std::unique_ptr<DnsStub>> DnsStub::create(EventLoop& loop, SyntheticNames& names,
                                                 Observer observer, uint16_t port) {
    OwnFd datagrams = ANCHORHOLD_TRY(bound_socket(SOCK_DGRAM, port));
    OwnFd listener = ANCHORHOLD_TRY(bound_socket(SOCK_STREAM, port));
    if (::listen(listener.get(), kBacklog) < 0) {
        return fail_errno("listen", "DNS over TCP");
    }
    std::unique_ptr<DnsStub> stub(
        new DnsStub(loop, names, std::move(observer), std::move(datagrams), std::move(listener)));
    ANCHORHOLD_TRY(stub->watch());
    return stub;
}

DnsStub::DnsStub(EventLoop& loop, SyntheticNames& names, Observer observer, OwnFd datagrams,
                 OwnFd listener)
    : loop_(loop),
      names_(names),
      observer_(std::move(observer)),
      datagrams_(std::move(datagrams)),
      listener_(std::move(listener)) {}

DnsStub::~DnsStub() {
    loop_.remove(datagrams_.get());
    loop_.remove(listener_.get());
}

Status DnsStub::watch() {
    ANCHORHOLD_TRY(loop_.add(datagrams_.get(), EPOLLIN, [this](uint32_t) { on_datagram(); }));
    return loop_.add(listener_.get(), EPOLLIN, [this](uint32_t) { on_client(); });
}

std::string DnsStub::answer(std::span<const uint8_t> message) {
    const auto parsed = dns::parse_query(message);
    if (!parsed) {
        return {};
    }
    if (const auto* refusal = std::get_if<dns::Refusal>(&*parsed)) {
        return dns::answer_refusal(*refusal);
    }
    return answer_query(std::get<dns::Query>(*parsed));
}

std::string DnsStub::answer_query(const dns::Query& query) {
    if (query.query_class != dns::kClassIn) {
        return dns::answer_refusal({query.header, dns::ResponseCode::kRefused});
    }
    if (is_localhost(query.name) || is_own_name(query.name)) {
        if (query.type == dns::kTypeA) {
            return dns::answer_address(query, kLoopback4, kAddressTtl);
        }
        if (query.type == dns::kTypeAaaa) {
            return dns::answer_address(query, kLoopback6, kAddressTtl);
        }
        return dns::answer_nothing(query, dns::ResponseCode::kNoError, kNothingTtl);
    }
    if (query.type != dns::kTypeA || !dns::is_host_name(query.name)) {
        observer_(query, {});
        const bool odd = query.name.find('\\') != std::string::npos;
        return dns::answer_nothing(
            query, odd ? dns::ResponseCode::kNoSuchName : dns::ResponseCode::kNoError, kNothingTtl);
    }
    const auto address = names_.address_of(query.name);
    if (!address) {
        observer_(query, {});
        return dns::answer_refusal({query.header, dns::ResponseCode::kServerFailure});
    }
    observer_(query, *address);
    return dns::answer_address(query, *address, kAddressTtl);
}

void DnsStub::on_datagram() {
    for (int i = 0; i < kDatagramsPerTurn; ++i) {
        std::array<uint8_t, dns::kMaxQuery + 1> buffer;
        sockaddr_in client{};
        socklen_t size = sizeof client;
        const ssize_t got = ::recvfrom(datagrams_.get(), buffer.data(), buffer.size(), 0,
                                       reinterpret_cast<sockaddr*>(&client), &size);
        if (got < 0) {
            return;
        }
        const std::string reply = answer(std::span(buffer).first(static_cast<size_t>(got)));
        if (!reply.empty()) {
            // A client that does not take its answer asks again.
            ::sendto(datagrams_.get(), reply.data(), reply.size(), MSG_NOSIGNAL,
                     reinterpret_cast<const sockaddr*>(&client), size);
        }
    }
}

void DnsStub::on_client() {
    OwnFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid() || clients_.size() >= kMaxTcpClients) {
        return;  // closed: resolvers ask again over UDP
    }
    clients_.push_back(std::make_unique<TcpClient>(*this, std::move(socket)));
    if (!clients_.back()->start()) {
        clients_.pop_back();
    }
}

void DnsStub::remove(TcpClient* client) {
    loop_.post([this, client, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) {
            clients_.remove_if([client](const auto& one) { return one.get() == client; });
        }
    });
}

}  // namespace anchorhold::guest_init
