// Two queues.
#include "supervisor/service/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace anchorhold::service {

using namespace std::chrono_literals;

Duration pool_backoff(uint32_t failures) {
    return failures == 0 ? Duration::zero()
                         : std::min<Duration>(1s * (1U << std::min(failures - 1, 6U)), 60s);
}

Pool::Pool(EventLoop& loop, std::string template_name, std::function<void()> on_change)
    : loop_(loop), template_name_(std::move(template_name)), on_change_(std::move(on_change)) {}

Pool::~Pool() {
    for (const HeldSandbox& held : parked_) {
        *held.handlers = {};
    }
    for (const WaitingShell& waiting : shells_) {
        *waiting.handlers = {};
    }
}

void Pool::set_target(PoolTarget target) {
    target_ = target;
    while (parked_.size() > target_.parked) {
        end_youngest_parked();
    }
    while (shells_.size() > target_.shells) {
        end_youngest_shell();
    }
}

bool Pool::give_up_one() {
    if (!parked_.empty()) {
        end_youngest_parked();
        return true;
    }
    if (!shells_.empty()) {
        end_youngest_shell();
        return true;
    }
    return false;
}

void Pool::end_youngest_parked() {
    HeldSandbox held = std::move(parked_.back());
    parked_.pop_back();
    end_and_forget(loop_, std::move(held));
}

void Pool::end_youngest_shell() {
    *shells_.back().handlers = {};
    shells_.pop_back();
}

void Pool::add_parked(HeldSandbox held) {
    failures = 0;
    last_error.clear();
    LiveSandbox* const sandbox = held.sandbox.get();
    held.handlers->on_end = [this, sandbox](const std::string& error) {
        const auto found = std::find_if(parked_.begin(), parked_.end(), [&](const auto& each) {
            return each.sandbox.get() == sandbox;
        });
        if (found != parked_.end()) {
            parked_.erase(found);
            lost("a parked guest", error);
        }
    };
    parked_.push_back(std::move(held));
    if (parked_.size() > target_.parked) {
        set_target(target_);
    }
}

void Pool::add_shell(WaitingShell waiting) {
    failures = 0;
    last_error.clear();
    Shell* const shell = waiting.shell.get();
    waiting.handlers->on_end = [this, shell](const std::string& error) {
        const auto found = std::find_if(shells_.begin(), shells_.end(), [&](const auto& each) {
            return each.shell.get() == shell;
        });
        if (found != shells_.end()) {
            shells_.erase(found);
            lost("a shell", error);
        }
    };
    shells_.push_back(std::move(waiting));
    if (shells_.size() > target_.shells) {
        set_target(target_);
    }
}

HeldSandbox Pool::claim_parked() {
    if (parked_.empty()) {
        return {};
    }
    HeldSandbox held = std::move(parked_.front());
    parked_.pop_front();
    *held.handlers = {};
    ++claimed_;
    on_change_();
    return held;
}

std::unique_ptr<Shell> Pool::claim_shell() {
    if (shells_.empty()) {
        return nullptr;
    }
    WaitingShell waiting = std::move(shells_.front());
    shells_.pop_front();
    *waiting.handlers = {};
    ++claimed_;
    on_change_();
    return std::move(waiting.shell);
}

// One that dies while it waits is a failure like one that cannot be made: the next dies, too.
void Pool::lost(const char* what, const std::string& error) {
    ++failures;
    not_before = loop_.clock().now() + pool_backoff(failures);
    last_error =
        fmt::format("{} ended while it waited: {}", what, error.empty() ? "no word why" : error);
    on_change_();
}

}  // namespace anchorhold::service
