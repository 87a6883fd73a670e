// Requests are sent and their answers looked at later: a packet that was sent is the keeper's, also
// when we die before it is read.
#include "supervisor/service/keeper_link.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "base/unix_socket.h"
#include "proto/frame.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

constexpr int kListenerNumber = 3;
constexpr Duration kRestartPause = 1s;
constexpr timeval kAnswerPatience{.tv_sec = 10, .tv_usec = 0};

}  // namespace

KeeperLink::KeeperLink(EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

KeeperLink::~KeeperLink() {
    loop_.cancel_timer(again_);
    loop_.remove(socket_.get());
}

Result<std::unique_ptr<KeeperLink>> KeeperLink::connect(EventLoop& loop, Options options) {
    std::unique_ptr<KeeperLink> link(new KeeperLink(loop, std::move(options)));
    ANCHORHOLD_TRY(link->open());
    return link;
}

Status KeeperLink::open() {
    auto socket = connect_unix(options_.socket, SOCK_SEQPACKET);
    if (!socket && (socket.error().code == ENOENT || socket.error().code == ECONNREFUSED)) {
        ANCHORHOLD_TRY(start_program());
        socket = connect_unix(options_.socket, SOCK_SEQPACKET);
    }
    if (!socket) {
        return tl::unexpected(socket.error().within("the keeper"));
    }
    socket_ = std::move(*socket);
    const uid_t user = ANCHORHOLD_TRY(peer_user(socket_.get()));
    if (user != ::geteuid()) {
        return fail("the keeper at " + options_.socket + " belongs to another user");
    }
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerPatience,
                     sizeof kAnswerPatience) < 0 ||
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &kAnswerPatience,
                     sizeof kAnswerPatience) < 0) {
        return fail_errno("setsockopt", "SO_RCVTIMEO");
    }
    return loop_.add(socket_.get(), EPOLLIN, [this](uint32_t) { read_answers(); });
}

// It gets its listener from us, so that the connection after this waits for nothing.
Status KeeperLink::start_program() const {
    const OwnFd listener = ANCHORHOLD_TRY(listen_unix(options_.socket, SOCK_SEQPACKET));
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    SpawnRequest request;
    request.path = options_.program;
    request.arguments = {"anchorhold-keeper", std::to_string(options_.patience_seconds)};
    request.descriptors = {{nothing.get(), 0},
                           {nothing.get(), 1},
                           {STDERR_FILENO, 2},
                           {listener.get(), kListenerNumber}};
    request.new_session = true;
    Child child = ANCHORHOLD_TRY(spawn(request));
    child.let_go();
    return {};
}

Status KeeperLink::send(const proto::KeeperRequest& request, std::string what,
                        std::span<const int> fds) {
    if (!socket_.valid()) {
        return fail("no keeper runs", EAGAIN);
    }
    ANCHORHOLD_TRY(send_packet(socket_.get(), request.SerializeAsString(), fds));
    unanswered_.push_back(std::move(what));
    return {};
}

Status KeeperLink::hold(const std::string& sandbox,
                        const std::vector<KeptDescriptor>& descriptors) {
    proto::KeeperRequest request;
    request.mutable_hold()->set_sandbox(sandbox);
    std::vector<int> fds;
    for (const KeptDescriptor& descriptor : descriptors) {
        request.mutable_hold()->add_roles(descriptor.role);
        fds.push_back(descriptor.fd);
    }
    const Status sent = send(request, "hold " + sandbox, fds);
    return sent ? sent : Status(tl::unexpected(sent.error().within("the keeper")));
}

void KeeperLink::drop(const std::string& sandbox) {
    proto::KeeperRequest request;
    request.mutable_drop()->set_sandbox(sandbox);
    // A keeper that is gone keeps nothing.
    [[maybe_unused]] const Status sent = send(request, "drop " + sandbox);
}

Result<KeeperLink::Answered> KeeperLink::ask(const proto::KeeperRequest& request) {
    read_answers();
    ANCHORHOLD_TRY(send(request, "ask"));
    for (;;) {
        auto packet = receive_packet(socket_.get());
        if (packet && !packet->has_value()) {
            return fail("the keeper does not answer", ETIMEDOUT);
        }
        if (!packet || (*packet)->bytes.empty()) {
            return fail("the keeper ended");
        }
        unanswered_.pop_front();
        if (!unanswered_.empty()) {
            continue;  // of what was asked before
        }
        Answered answered;
        answered.message = ANCHORHOLD_TRY(
            proto::parse<proto::KeeperAnswer>((*packet)->bytes, "the keeper's answer"));
        answered.fds = std::move((*packet)->fds);
        if (!answered.message.error().empty()) {
            return fail("the keeper: " + log::escaped(answered.message.error(), 200));
        }
        return answered;
    }
}

Result<std::vector<std::string>> KeeperLink::list() {
    std::vector<std::string> names;
    for (;;) {
        proto::KeeperRequest request;
        request.mutable_list()->set_after(names.empty() ? "" : names.back());
        const Answered answered = ANCHORHOLD_TRY(ask(request));
        names.insert(names.end(), answered.message.names().begin(), answered.message.names().end());
        if (!answered.message.more() || answered.message.names().empty()) {
            return names;
        }
    }
}

Result<std::map<std::string, OwnFd>> KeeperLink::take(const std::string& sandbox) {
    proto::KeeperRequest request;
    request.mutable_take()->set_sandbox(sandbox);
    Answered answered = ANCHORHOLD_TRY(ask(request));
    if (static_cast<size_t>(answered.message.names_size()) != answered.fds.size()) {
        return fail("the keeper: roles and descriptors are not of one number");
    }
    std::map<std::string, OwnFd> roles;
    for (size_t i = 0; i < answered.fds.size(); ++i) {
        roles[answered.message.names(static_cast<int>(i))] = std::move(answered.fds[i]);
    }
    return roles;
}

void KeeperLink::read_answers() {
    while (socket_.valid() && !unanswered_.empty()) {
        std::array<std::byte, 1> none{};
        const ssize_t waits =
            ::recv(socket_.get(), none.data(), none.size(), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);
        if (waits < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        const auto packet = receive_packet(socket_.get());
        if (!packet || !packet->has_value() || (*packet)->bytes.empty()) {
            lost();
            return;
        }
        proto::KeeperAnswer answer;
        const std::string what = std::move(unanswered_.front());
        unanswered_.pop_front();
        if (!answer.ParseFromString((*packet)->bytes) || !answer.error().empty()) {
            log::error("the keeper refused: {}: {}", what, log::escaped(answer.error(), 200));
        }
    }
    if (socket_.valid() && unanswered_.empty()) {
        // Nothing is due: a readable socket is its end.
        std::array<std::byte, 1> none{};
        if (::recv(socket_.get(), none.data(), none.size(), MSG_PEEK | MSG_DONTWAIT) == 0) {
            lost();
        }
    }
}

// Sandboxes go on, we have them; a new keeper is to hold them as soon as there is one.
void KeeperLink::lost() {
    loop_.remove(socket_.get());
    socket_.reset();
    unanswered_.clear();
    log::warning("the keeper ended; starting another");
    const Status opened = open();
    if (!opened) {
        log::error("{}", opened.error().message);
        again_ = loop_.add_timer(kRestartPause, [this] { lost(); });
        return;
    }
    if (on_replaced_) {
        on_replaced_();
    }
}

}  // namespace anchorhold::service
