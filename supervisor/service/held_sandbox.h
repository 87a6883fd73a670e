// A live sandbox whose handlers change hands with it: who starts it is not who has it afterwards.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "supervisor/service/engine.h"

namespace anchorhold::service {

// What the engine calls, kept apart from the sandbox so that its next holder can set it anew.
using SharedHandlers = std::shared_ptr<LiveSandbox::Handlers>;

struct HeldSandbox {
    std::unique_ptr<LiveSandbox> sandbox;
    SharedHandlers handlers = std::make_shared<LiveSandbox::Handlers>();

    [[nodiscard]] explicit operator bool() const { return sandbox != nullptr; }
};

// Handlers for the engine that call whatever `shared` has at that moment.
[[nodiscard]] LiveSandbox::Handlers forward_to(const SharedHandlers& shared);

// Ends it and waits for its end without anybody: what it was must not be met again. Not for one
// whose on_end was called.
void end_and_forget(EventLoop& loop, HeldSandbox held);
// For one whose on_end was called: it is destroyed with the loop's next turn.
void forget_ended(EventLoop& loop, HeldSandbox held);

}  // namespace anchorhold::service
