// A map, a listener and one watch for each pidfd.
#include "keeper/keeper.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/unix_socket.h"
#include "proto/frame.h"

namespace anchorhold::keeper {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPidfd = "pidfd";
constexpr std::string_view kControl = "control";
constexpr size_t kMaxListed = 3072;    // bytes of names in one answer
constexpr Duration kIdleGrace = 2s;    // a supervisor that starts us takes a moment to connect
constexpr Duration kAcceptPause = 1s;  // out of descriptors: the next try

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= Keeper::kMaxName &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Keeper::Keeper(EventLoop& loop, OwnFd listener, Options options)
    : loop_(loop), listener_(std::move(listener)), options_(std::move(options)) {}

Keeper::~Keeper() {
    loop_.cancel_timer(alone_);
    loop_.remove(listener_.get());
    for (const auto& [number, client] : clients_) {
        loop_.remove(number);
    }
    for (auto& [sandbox, roles] : held_) {
        forget_role(roles, kPidfd);
    }
}

Result<std::unique_ptr<Keeper>> Keeper::create(EventLoop& loop, OwnFd listener, Options options) {
    std::unique_ptr<Keeper> keeper(new Keeper(loop, std::move(listener), std::move(options)));
    Keeper* self = keeper.get();
    ANCHORHOLD_TRY(
        loop.add(keeper->listener_.get(), EPOLLIN, [self](uint32_t) { self->accept(); }));
    keeper->look_at_idleness();
    return keeper;
}

void Keeper::accept() {
    OwnFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.valid()) {
        if (errno == EMFILE || errno == ENFILE) {
            [[maybe_unused]] const Status paused = loop_.modify(listener_.get(), 0);
            loop_.add_timer(kAcceptPause, [this] {
                [[maybe_unused]] const Status resumed = loop_.modify(listener_.get(), EPOLLIN);
            });
        }
        return;
    }
    const auto user = peer_user(client.get());
    if (!user || (*user != ::geteuid() && *user != 0) || clients_.size() >= kMaxClients) {
        return;
    }
    const int number = client.get();
    if (loop_.add(number, EPOLLIN, [this, number](uint32_t) { serve(number); })) {
        clients_.emplace(number, std::move(client));
        look_at_idleness();
    }
}

void Keeper::leave(int client) {
    loop_.remove(client);
    clients_.erase(client);
    look_at_idleness();
}

// One request a turn: a client that floods does not keep the loop to itself.
void Keeper::serve(int client) {
    auto packet = receive_packet(client);
    if (packet && !packet->has_value()) {
        return;
    }
    if (!packet || (*packet)->bytes.empty()) {
        leave(client);
        return;
    }
    const auto request = proto::parse<proto::KeeperRequest>((*packet)->bytes, "the request");
    Answer given;
    if (request) {
        given = answer(*request, std::move((*packet)->fds));
    } else {
        given.message.set_error(request.error().message);
    }
    given.message.set_done(given.message.error().empty());
    // One that does not read its answers cannot be served.
    if (!send_packet(client, given.message.SerializeAsString(), given.fds)) {
        leave(client);
    }
}

Keeper::Answer Keeper::answer(const proto::KeeperRequest& request, std::vector<OwnFd> fds) {
    switch (request.request_case()) {
        case proto::KeeperRequest::kHold:
            return hold(request.hold(), std::move(fds));
        case proto::KeeperRequest::kDrop:
            return drop(request.drop().sandbox());
        case proto::KeeperRequest::kList:
            return list(request.list().after());
        case proto::KeeperRequest::kTake:
            return take(request.take().sandbox());
        case proto::KeeperRequest::REQUEST_NOT_SET:
            break;
    }
    Answer refusal;
    refusal.message.set_error("no request that this keeper knows");
    return refusal;
}

Keeper::Answer Keeper::hold(const proto::Hold& request, std::vector<OwnFd> fds) {
    Answer given;
    const auto found = held_.find(request.sandbox());
    size_t roles_then = found == held_.end() ? 0 : found->second.size();
    for (const std::string& role : request.roles()) {
        roles_then += found == held_.end() || !found->second.contains(role) ? 1 : 0;
        if (!is_name(role)) {
            given.message.set_error("a role's name is 1 to 63 printable characters");
            return given;
        }
    }
    if (!is_name(request.sandbox())) {
        given.message.set_error("a sandbox's name is 1 to 63 printable characters");
    } else if (fds.empty() || static_cast<size_t>(request.roles_size()) != fds.size()) {
        given.message.set_error("roles and descriptors are not of one number");
    } else if (roles_then > kMaxPacketFds) {
        given.message.set_error("a sandbox has at most 32 descriptors");
    } else if (found == held_.end() && held_.size() >= kMaxSandboxes) {
        given.message.set_error("too many sandboxes are held");
    }
    if (!given.message.error().empty()) {
        return given;
    }
    Roles& roles = held_[request.sandbox()];
    ended_.erase(request.sandbox());
    for (int i = 0; i < request.roles_size(); ++i) {
        const std::string& role = request.roles(i);
        forget_role(roles, role);
        const OwnFd& fd = roles[role] = std::move(fds[static_cast<size_t>(i)]);
        if (role == kPidfd) {
            // What cannot be watched is kept all the same: whoever drops it ends the matter.
            [[maybe_unused]] const Status watched = loop_.add(
                fd.get(), EPOLLIN, [this, name = request.sandbox()](uint32_t) { ended(name); });
        }
    }
    look_at_idleness();
    return given;
}

Keeper::Answer Keeper::drop(const std::string& sandbox) {
    const auto found = held_.find(sandbox);
    if (found != held_.end()) {
        forget_role(found->second, kPidfd);
        held_.erase(found);
        ended_.erase(sandbox);
        look_at_idleness();
    }
    return {};
}

Keeper::Answer Keeper::list(const std::string& after) const {
    Answer given;
    size_t bytes = 0;
    for (auto next = held_.upper_bound(after); next != held_.end(); ++next) {
        bytes += next->first.size() + 2;
        if (bytes > kMaxListed) {
            given.message.set_more(true);
            break;
        }
        given.message.add_names(next->first);
    }
    return given;
}

Keeper::Answer Keeper::take(const std::string& sandbox) const {
    Answer given;
    const auto found = held_.find(sandbox);
    if (found == held_.end()) {
        given.message.set_error("nothing is held for " + log::escaped(sandbox, kMaxName));
        return given;
    }
    for (const auto& [role, fd] : found->second) {
        given.message.add_names(role);
        given.fds.push_back(fd.get());
    }
    return given;
}

void Keeper::forget_role(Roles& roles, std::string_view role) {
    if (const auto found = roles.find(role); found != roles.end()) {
        loop_.remove(found->second.get());
        roles.erase(found);
    }
}

// Its last words may still wait in the control socket for a supervisor; memory and disk are given
// back now.
void Keeper::ended(const std::string& sandbox) {
    const auto found = held_.find(sandbox);
    if (found == held_.end()) {
        return;
    }
    Roles& roles = found->second;
    loop_.remove(roles.find(kPidfd)->second.get());
    std::erase_if(
        roles, [](const auto& entry) { return entry.first != kPidfd && entry.first != kControl; });
    ended_.insert(sandbox);
    look_at_idleness();
}

void Keeper::look_at_idleness() {
    loop_.cancel_timer(std::exchange(alone_, 0));
    if (!clients_.empty()) {
        return;
    }
    if (held_.empty()) {
        alone_ = loop_.add_timer(kIdleGrace, [this] { options_.on_idle(); });
    } else if (ended_.size() == held_.size()) {
        alone_ = loop_.add_timer(kLastWords, [this] { options_.on_idle(); });
    } else if (options_.patience) {
        alone_ = loop_.add_timer(*options_.patience, [this] { options_.on_idle(); });
    }
}

}  // namespace anchorhold::keeper
