// The supervisor's connection to anchorhold-keeper (proto/keeper.proto), which it starts when there
// is none.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/keeper.pb.h"
#include "supervisor/service/keeping.h"

namespace anchorhold::service {

// Belongs to its event loop's thread.
class KeeperLink final : public Keeping {
  public:
    struct Options {
        std::string program;            // anchorhold-keeper
        std::string socket;             // where it listens
        uint64_t patience_seconds = 0;  // how long it holds sandboxes for nobody; 0: for ever
    };
    // Connects to the keeper that is there, or starts one.
    static Result<std::unique_ptr<KeeperLink>> connect(EventLoop& loop, Options options);
    ~KeeperLink() override;

    Status hold(const std::string& sandbox,
                const std::vector<KeptDescriptor>& descriptors) override;
    void drop(const std::string& sandbox) override;
    Result<std::vector<std::string>> list() override;
    Result<std::map<std::string, OwnFd>> take(const std::string& sandbox) override;

    // The keeper died and a new one holds nothing yet: whoever has sandboxes holds them again.
    void on_replaced(std::function<void()> handler) { on_replaced_ = std::move(handler); }

  private:
    struct Answered {
        proto::KeeperAnswer message;
        std::vector<OwnFd> fds;
    };
    KeeperLink(EventLoop& loop, Options options);
    Status open();
    Status start_program() const;
    Status send(const proto::KeeperRequest& request, std::string what,
                std::span<const int> fds = {});
    Result<Answered> ask(const proto::KeeperRequest& request);
    void read_answers();
    void lost();

    EventLoop& loop_;
    const Options options_;
    OwnFd socket_;
    std::deque<std::string> unanswered_;  // what each was, for people
    std::function<void()> on_replaced_;
    EventLoop::TimerId again_ = 0;
};

}  // namespace anchorhold::service
