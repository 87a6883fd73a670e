// Few limits, so each call looks at all of them.
#include "policy/limits.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "policy/host_pattern.h"

namespace anchorhold::policy {
namespace {

bool is_about(const proto::Limit& limit, const Endpoint& endpoint) {
    return limit.hosts().empty() ||
           std::ranges::any_of(limit.hosts(), [&](const proto::HostPattern& host) {
               if (!endpoint.host.empty()) {
                   return host_matches(host, endpoint.host);
               }
               if (!host.has_cidr()) {
                   return false;
               }
               const auto range = AddressRange::parse(host.cidr());
               return range && range->contains_in_any_form(endpoint.address);
           });
}

}  // namespace

SlidingWindow::SlidingWindow(uint32_t seconds)
    : slot_length_(std::chrono::nanoseconds(std::chrono::seconds(seconds)) / kSlots),
      // One more than the window has, for the slot that is partly over.
      slots_(seconds == 0 ? 1 : kSlots + 1, 0) {}

void SlidingWindow::move_to(TimePoint now) {
    if (slots_.size() == 1) {
        return;
    }
    const int64_t slot = now.time_since_epoch() / slot_length_;
    const auto size = static_cast<int64_t>(slots_.size());
    for (int64_t passed = std::max(slot_, slot - size); passed < slot; ++passed) {
        uint64_t& next = slots_[static_cast<size_t>((passed + 1) % size)];
        total_ -= next;
        next = 0;
    }
    slot_ = std::max(slot_, slot);
}

uint64_t SlidingWindow::total(TimePoint now) {
    move_to(now);
    return total_;
}

void SlidingWindow::add(uint64_t amount, TimePoint now) {
    move_to(now);
    amount = std::min(amount, std::numeric_limits<uint64_t>::max() - total_);
    total_ += amount;
    slots_[static_cast<size_t>(slot_ % static_cast<int64_t>(slots_.size()))] += amount;
}

Limits::Limits(const proto::ResolvedPolicy& policy) {
    for (const proto::Limit& limit : policy.limits()) {
        counters_.push_back(Counter{&limit, SlidingWindow(limit.window_seconds())});
    }
}

const proto::Limit* Limits::count(const Endpoint& endpoint, proto::Limit::What what,
                                  uint64_t amount, TimePoint now) {
    for (Counter& counter : counters_) {
        if (counter.limit->what() != what || !is_about(*counter.limit, endpoint)) {
            continue;
        }
        const uint64_t total = counter.window.total(now);
        if (total > counter.limit->amount() || amount > counter.limit->amount() - total) {
            return counter.limit;
        }
    }
    for (Counter& counter : counters_) {
        if (counter.limit->what() == what && is_about(*counter.limit, endpoint)) {
            counter.window.add(amount, now);
        }
    }
    return nullptr;
}

const proto::Limit* Limits::admit(const Endpoint& endpoint, TimePoint now) {
    return count(endpoint, proto::Limit::REQUESTS, 1, now);
}

const proto::Limit* Limits::add_bytes(const Endpoint& endpoint, Direction direction, uint64_t bytes,
                                      TimePoint now) {
    const bool out = direction == Direction::to_upstream;
    return count(endpoint, out ? proto::Limit::BYTES_OUT : proto::Limit::BYTES_IN, bytes, now);
}

const proto::Limit* Limits::open_stream(const Endpoint& endpoint) {
    const auto counts = [&](const Counter& counter) {
        return counter.limit->what() == proto::Limit::STREAMS && is_about(*counter.limit, endpoint);
    };
    for (const Counter& counter : counters_) {
        if (counts(counter) && counter.streams >= counter.limit->amount()) {
            return counter.limit;
        }
    }
    for (Counter& counter : counters_) {
        counter.streams += counts(counter) ? 1 : 0;
    }
    return nullptr;
}

void Limits::close_stream(const Endpoint& endpoint) {
    for (Counter& counter : counters_) {
        if (counter.limit->what() == proto::Limit::STREAMS && is_about(*counter.limit, endpoint)) {
            ANCHORHOLD_CHECK(counter.streams > 0);
            --counter.streams;
        }
    }
}

}  // namespace anchorhold::policy
