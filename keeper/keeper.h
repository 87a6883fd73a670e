// Descriptors kept by name: what lets running sandboxes outlive their supervisor.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/seqpacket.h"
#include "proto/keeper.pb.h"

namespace anchorhold::keeper {

// Belongs to its event loop's thread.
class Keeper {
  public:
    static constexpr size_t kMaxClients = 8;
    static constexpr size_t kMaxSandboxes = 4096;
    static constexpr size_t kMaxName = 63;  // of a sandbox or a role
    static constexpr Duration kLastWords = std::chrono::minutes(10);

    struct Options {
        // How long sandboxes are held for nobody; nullopt: for ever. What is held then is closed,
        // and the sandboxes end.
        std::optional<Duration> patience;
        // Nothing is held and nobody is connected (any more), or patience ended. Last words of
        // sandboxes that ended are held for kLastWords when nothing else is.
        std::function<void()> on_idle;
    };

    // `listener` is a nonblocking SOCK_SEQPACKET listener; connections of other users than ours
    // (and root) are closed.
    static Result<std::unique_ptr<Keeper>> create(EventLoop& loop, OwnFd listener, Options options);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    [[nodiscard]] size_t sandboxes() const { return held_.size(); }
    [[nodiscard]] size_t clients() const { return clients_.size(); }

  private:
    using Roles = std::map<std::string, OwnFd, std::less<>>;
    struct Answer {
        proto::KeeperAnswer message;
        std::vector<int> fds;
    };

    Keeper(EventLoop& loop, OwnFd listener, Options options);
    void accept();
    void serve(int client);
    void leave(int client);
    Answer answer(const proto::KeeperRequest& request, std::vector<OwnFd> fds);
    Answer hold(const proto::Hold& request, std::vector<OwnFd> fds);
    Answer drop(const std::string& sandbox);
    Answer list(const std::string& after) const;
    Answer take(const std::string& sandbox) const;
    void forget_role(Roles& roles, std::string_view role);
    void ended(const std::string& sandbox);
    void look_at_idleness();

    EventLoop& loop_;
    OwnFd listener_;
    Options options_;
    std::map<std::string, Roles, std::less<>> held_;
    std::set<std::string, std::less<>> ended_;  // of held_
    std::unordered_map<int, OwnFd> clients_;
    EventLoop::TimerId alone_ = 0;
};

}  // namespace anchorhold::keeper
