// The filler: one at a time, in turns, within limits, resting between two and after failures.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/log.h"
#include "base/sys.h"
#include "supervisor/service/pool_making.h"
#include "supervisor/service/pools.h"
#include "supervisor/spec.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLimitPause = 1s;  // until limits are looked at again

}  // namespace

uint64_t host_available_bytes() {
    const auto text = sys::read_file("/proc/meminfo");
    const size_t at = text ? text->find("MemAvailable:") : std::string::npos;
    const size_t digit = at == std::string::npos ? at : text->find_first_of("0123456789", at);
    uint64_t kilobytes = 0;
    if (digit != std::string::npos) {
        std::from_chars(text->data() + digit, text->data() + text->size(), kilobytes);
    }
    return kilobytes << 10;
}

void Pools::schedule(Duration delay) {
    if (stopped_) {
        return;
    }
    const TimePoint now = parts_.loop.clock().now();
    const Duration rest = std::max(delay, resting_until_ - now);
    parts_.loop.cancel_timer(timer_);
    timer_ = parts_.loop.add_timer(rest, [this] {
        timer_ = 0;
        fill_next();
    });
}

// Empty: nothing is in the way.
std::string Pools::limit_for(const Pool& pool, const TemplateInfo& info) const {
    size_t waiting = 0;
    uint64_t parked_bytes = 0;
    for (const auto& [name, each] : pools_) {
        waiting += each->parked() + each->shells();
        const auto other = parts_.engine.find_template(name);
        parked_bytes += other ? each->parked() * parked_cost(*other) : 0;
    }
    if (waiting >= parts_.limits.max_waiting) {
        return fmt::format("{} guests and shells wait already", waiting);
    }
    if (!pool.wants_parked()) {
        return {};
    }
    const uint64_t cost = parked_cost(info);
    if (parked_bytes + cost > parts_.limits.max_parked_bytes) {
        return fmt::format("parked guests may take {}",
                           supervisor::display_size(parts_.limits.max_parked_bytes));
    }
    const uint64_t available = parts_.available_bytes();
    if (available < parts_.limits.min_available_bytes + cost) {
        return fmt::format("this host has {} of memory left", supervisor::display_size(available));
    }
    return {};
}

bool Pools::must_yield() {
    const TimePoint now = parts_.loop.clock().now();
    if (foreground_ == 0 && now >= quiet_until_) {
        yielding_since_.reset();
        return false;
    }
    yielding_since_ = yielding_since_.value_or(now);
    return now - *yielding_since_ < kMostYield;
}

void Pools::fill_next() {
    if (stopped_ || making_) {
        return;  // whoever ends calls again
    }
    if (must_yield()) {
        schedule(kQuiet);
        return;
    }
    const TimePoint now = parts_.loop.clock().now();
    std::optional<Duration> later;
    const auto wait_for = [&](Duration wait) { later = std::min(later.value_or(wait), wait); };
    // Beginning behind the one that was filled last.
    std::vector<Pool*> turns;
    for (const auto& [name, pool] : pools_) {
        turns.push_back(pool.get());
    }
    std::stable_partition(turns.begin(), turns.end(),
                          [&](const Pool* pool) { return pool->template_name() > last_filled_; });
    for (Pool* pool : turns) {
        if (!pool->wants_parked() && !pool->wants_shell()) {
            limits_.erase(pool->template_name());
            continue;
        }
        if (pool->not_before > now) {
            wait_for(pool->not_before - now);
        } else if (begin_fill(*pool)) {
            return;
        } else {
            wait_for(kLimitPause);
        }
    }
    if (later) {
        schedule(*later);
    }
}

// False: not now; why is told in limits_ or in the pool.
bool Pools::begin_fill(Pool& pool) {
    const std::string& name = pool.template_name();
    const auto info = parts_.engine.find_template(name);
    if (!info) {
        fill_failed(name, info.error().message);
        return false;
    }
    if (std::string limit = limit_for(pool, *info); !limit.empty()) {
        limits_[name] = std::move(limit);
        return false;
    }
    limits_.erase(name);
    last_filled_ = name;
    yielding_since_.reset();
    making_ = std::make_shared<Making>();
    making_->template_name = name;
    making_->began = parts_.loop.clock().now();
    const std::weak_ptr<Making> weak = making_;
    making_->handlers->on_ready = [this, weak] {
        // From the loop: the engine may still be on its way out of park().
        parts_.loop.post([this, weak] {
            if (const auto making = weak.lock(); making && making == making_) {
                fill_done(making);
            }
        });
    };
    making_->handlers->on_end = [this, weak](const std::string& error) {
        if (const auto making = weak.lock(); making && making == making_) {
            making_.reset();
            parts_.loop.post([making] {});
            fill_failed(making->template_name, error);
            rest_after(making->began);
        }
    };
    Status begun;
    if (pool.wants_parked()) {
        // A shell that waits makes a parked guest sooner; it is made anew afterwards.
        auto made = parts_.engine.park(*info, nullptr, forward_to(making_->handlers));
        begun = made ? Status() : Status(tl::unexpected(made.error()));
        if (made) {
            making_->parked = std::move(*made);
        }
    } else {
        auto made = parts_.engine.make_shell(*info, forward_to(making_->handlers));
        begun = made ? Status() : Status(tl::unexpected(made.error()));
        if (made) {
            making_->shell = std::move(*made);
        }
    }
    if (!begun) {
        *making_->handlers = {};
        making_.reset();
        fill_failed(name, begun.error().message);
        return false;
    }
    return true;
}

void Pools::fill_done(const std::shared_ptr<Making>& making) {
    making_.reset();
    parts_.metrics.count_fill();
    const auto found = pools_.find(making->template_name);
    *making->handlers = {};
    if (found == pools_.end()) {
        end_and_forget(parts_.loop, {std::move(making->parked), making->handlers});
    } else if (making->parked) {
        found->second->add_parked({std::move(making->parked), making->handlers});
    } else {
        found->second->add_shell({std::move(making->shell), making->handlers});
    }
    watch_memory();
    rest_after(making->began);
}

void Pools::fill_failed(const std::string& template_name, const std::string& error) {
    parts_.metrics.count_failed_fill();
    const auto found = pools_.find(template_name);
    if (found == pools_.end()) {
        return;
    }
    Pool& pool = *found->second;
    ++pool.failures;
    pool.last_error = error;
    pool.not_before = parts_.loop.clock().now() + pool_backoff(pool.failures);
    log::warning("pool of {}: {}", template_name, log::escaped(error));
}

// Filling takes its share of one processor and no more.
void Pools::rest_after(TimePoint began) {
    const TimePoint now = parts_.loop.clock().now();
    const uint32_t share = std::clamp(parts_.limits.cpu_percent, 1U, 100U);
    resting_until_ = now + (now - began) * (100 - share) / share;
    schedule(Duration::zero());
}

}  // namespace anchorhold::service
