// One indirection.
#include "supervisor/service/held_sandbox.h"

namespace anchorhold::service {

std::string_view to_text(StartPath path) {
    switch (path) {
        case StartPath::parked:
            return "parked";
        case StartPath::shell:
            return "shell";
        case StartPath::restore:
            return "restore";
        case StartPath::cold:
            break;
    }
    return "cold";
}

LiveSandbox::Handlers forward_to(const SharedHandlers& shared) {
    return {.on_ready =
                [shared] {
                    if (shared->on_ready) {
                        const auto on_ready = std::exchange(shared->on_ready, nullptr);
                        on_ready();
                    }
                },
            .on_end =
                [shared](const std::string& error) {
                    if (shared->on_end) {
                        const auto on_end = std::exchange(shared->on_end, nullptr);
                        on_end(error);
                    }
                }};
}

void end_and_forget(EventLoop& loop, HeldSandbox held) {
    if (!held) {
        return;
    }
    // It holds itself until its VM is gone.
    LiveSandbox* const sandbox = held.sandbox.get();
    const SharedHandlers handlers = held.handlers;
    handlers->on_ready = nullptr;
    handlers->on_end = [&loop, kept = std::make_shared<HeldSandbox>(std::move(held))](
                           const std::string&) { loop.post([kept] {}); };
    sandbox->destroy();
}

void forget_ended(EventLoop& loop, HeldSandbox held) {
    *held.handlers = {};
    loop.post([kept = std::make_shared<HeldSandbox>(std::move(held))] {});
}

}  // namespace anchorhold::service
