// The table of sessions.
#include "exec/server.h"

#include <utility>

#include "exec/session.h"

namespace anchorhold::exec {

ExecServer::ExecServer(EventLoop& loop, Launcher& launcher, ServerLimits limits)
    : loop_(loop), launcher_(launcher), limits_(limits), alive_(std::make_shared<bool>(true)) {}

ExecServer::~ExecServer() = default;

void ExecServer::serve(OwnFd stream) {
    const uint64_t id = next_id_++;
    const bool full = sessions_.size() >= limits_.sessions;
    auto session = std::make_unique<Session>(
        loop_, launcher_, limits_.hang_up_grace, when_lost_, std::move(stream), [this, id] {
            // Later: the session is still on the stack.
            loop_.post([this, id, alive = std::weak_ptr(alive_)] {
                if (!alive.expired()) {
                    sessions_.erase(id);
                }
            });
        });
    Session& added = *sessions_.emplace(id, std::move(session)).first->second;
    if (full) {
        added.refuse(
            {proto::ExecRefused::INTERNAL,
             "too many commands at once: " + std::to_string(limits_.sessions) + " are running"});
    }
}

bool ExecServer::collect(pid_t pid) {
    for (const auto& [id, session] : sessions_) {
        if (session->collect(pid)) {
            return true;
        }
    }
    return false;
}

}  // namespace anchorhold::exec
