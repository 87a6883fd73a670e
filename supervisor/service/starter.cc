// Each way that fails leads to the next slower one, and is told.
#include "supervisor/service/starter.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"

namespace anchorhold::service {

struct Starter::Attempt {
    StartOrder order;
    OnStarted on_started;
    std::optional<TemplateInfo> origin;
    HeldSandbox held;
    StartPath path = StartPath::parked;
    TimePoint began;
    std::string passed_over;
};

Starter::Starter(EventLoop& loop, SandboxEngine& engine, Pools& pools, Metrics& metrics)
    : loop_(loop), engine_(engine), pools_(pools), metrics_(metrics) {}

Starter::~Starter() {
    for (const AttemptRef& attempt : attempts_) {
        *attempt->held.handlers = {};
        attempt->held = {};
    }
}

void Starter::start(StartOrder order, OnStarted on_started) {
    const auto attempt = std::make_shared<Attempt>();
    attempt->order = std::move(order);
    attempt->on_started = std::move(on_started);
    attempt->began = loop_.clock().now();
    attempts_.insert(attempt);
    pools_.begin_foreground();
    if (attempt->order.template_name.empty()) {
        try_cold(attempt);
        return;
    }
    auto origin = engine_.find_template(attempt->order.template_name);
    if (!origin) {
        finish(attempt, tl::unexpected(origin.error()));
        return;
    }
    attempt->origin = std::move(*origin);
    try_parked(attempt);
}

void Starter::try_parked(const AttemptRef& attempt) {
    attempt->path = StartPath::parked;
    const TemplateInfo& origin = *attempt->origin;
    // Those that wait have their memory already.
    if (attempt->order.memory_backend.value_or(origin.memory_backend) == origin.memory_backend) {
        attempt->held = pools_.claim_parked(attempt->order.template_name);
    }
    if (!attempt->held) {
        try_after(attempt, "");
        return;
    }
    watch(attempt);
    ClaimRequest claim;
    claim.name = attempt->order.name;
    claim.folder = attempt->order.folder;
    claim.identity = attempt->order.identity;
    if (attempt->order.window.take_channels) {
        auto set_up = attempt->order.window.take_channels(attempt->held.sandbox->take_channels());
        if (!set_up) {
            finish(attempt, tl::unexpected(set_up.error()));  // no window, no sandbox
            return;
        }
        claim.set_up = std::move(*set_up);
    }
    attempt->held.sandbox->claim(std::move(claim), [this, attempt](const Status& claimed) {
        if (attempt->path != StartPath::parked) {
            return;
        }
        if (claimed) {
            succeed(attempt);
        } else {
            try_after(attempt, claimed.error().message);
        }
    });
}

Result<StartRequest> Starter::request_for(const AttemptRef& attempt) const {
    StartRequest request;
    request.name = attempt->order.name;
    request.folder = attempt->order.folder;
    request.spec = attempt->order.spec;
    request.memory_backend = attempt->order.memory_backend;
    request.identity = attempt->order.identity;
    if (attempt->order.window.parts) {
        request.parts = ANCHORHOLD_TRY(attempt->order.window.parts());
    }
    return request;
}

void Starter::try_restore(const AttemptRef& attempt, StartPath path) {
    attempt->path = path;
    std::unique_ptr<Shell> shell;
    if (path == StartPath::shell) {
        shell = pools_.claim_shell(attempt->order.template_name);
        if (!shell) {
            try_after(attempt, "");
            return;
        }
    }
    auto request = request_for(attempt);
    if (!request) {
        finish(attempt, tl::unexpected(request.error()));
        return;
    }
    watch(attempt);
    take(attempt, engine_.restore(*attempt->origin, std::move(*request), std::move(shell),
                                  forward_to(attempt->held.handlers)));
}

void Starter::try_cold(const AttemptRef& attempt) {
    attempt->path = StartPath::cold;
    if (attempt->origin) {
        attempt->order.spec.image = attempt->origin->image;
    }
    auto request = request_for(attempt);
    if (!request) {
        finish(attempt, tl::unexpected(request.error()));
        return;
    }
    watch(attempt);
    take(attempt, engine_.start_cold(std::move(*request), forward_to(attempt->held.handlers)));
}

// The handlers of one try hold the attempt; they are unset when it is over.
void Starter::watch(const AttemptRef& attempt) {
    attempt->held.handlers->on_ready = [this, attempt] { succeed(attempt); };
    attempt->held.handlers->on_end = [this, attempt](const std::string& error) {
        forget_ended(loop_, std::exchange(attempt->held, HeldSandbox()));
        try_after(attempt, error.empty() ? "it ended at once" : error);
    };
}

void Starter::take(const AttemptRef& attempt, SandboxEngine::Made made) {
    if (made) {
        attempt->held.sandbox = std::move(*made);
    } else {
        try_after(attempt, made.error().message);
    }
}

// `why` is empty where there was nothing to try.
void Starter::try_after(const AttemptRef& attempt, const std::string& why) {
    *attempt->held.handlers = {};
    end_and_forget(loop_, std::exchange(attempt->held, HeldSandbox()));
    const StartPath path = attempt->path;
    if (!why.empty()) {
        attempt->passed_over += fmt::format("{}{}: {}", attempt->passed_over.empty() ? "" : "; ",
                                            to_text(path), log::escaped(why, 300));
    }
    if (path != StartPath::cold) {
        metrics_.count_fallback(path);
    }
    switch (path) {
        case StartPath::parked:
            try_restore(attempt, StartPath::shell);
            break;
        case StartPath::shell:
            try_restore(attempt, StartPath::restore);
            break;
        case StartPath::restore:
            try_cold(attempt);
            break;
        case StartPath::cold:
            finish(attempt, fail(attempt->origin ? attempt->passed_over : why));
            break;
    }
}

void Starter::succeed(const AttemptRef& attempt) {
    *attempt->held.handlers = {};
    Started started;
    started.held = std::exchange(attempt->held, HeldSandbox());
    started.path = attempt->path;
    if (attempt->path != StartPath::cold) {
        started.memory_backend =
            attempt->order.memory_backend.value_or(attempt->origin->memory_backend);
    }
    started.took = loop_.clock().now() - attempt->began;
    started.passed_over = attempt->passed_over;
    metrics_.count_start(started.path, started.took);
    finish(attempt, std::move(started));
}

void Starter::finish(const AttemptRef& attempt, Result<Started> result) {
    const AttemptRef alive = attempt;
    if (!result) {
        metrics_.count_failed_start();
        *attempt->held.handlers = {};
        end_and_forget(loop_, std::exchange(attempt->held, HeldSandbox()));
    }
    attempts_.erase(alive);
    const OnStarted on_started = std::move(attempt->on_started);
    on_started(std::move(result));
    pools_.end_foreground();
}

}  // namespace anchorhold::service
