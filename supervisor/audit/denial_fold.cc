// Windows in the order they opened, found by what the denial says.
#include "supervisor/audit/denial_fold.h"

#include <algorithm>

namespace anchorhold::supervisor {
namespace {

bool is_denial(const proto::AuditEvent& event) {
    return event.has_decision() && event.decision().verdict() == proto::RequestDecided::DENY;
}

}  // namespace

void DenialFold::take(const proto::AuditEvent& event, std::vector<proto::AuditEvent>& out) {
    collect_due(out);
    if (!is_denial(event)) {
        out.push_back(event);
        return;
    }
    std::string key = event.decision().SerializeAsString();
    const auto known = by_key_.find(key);
    if (known != by_key_.end()) {
        ++known->second->count;
        known->second->last_ns = event.time_ns();
        return;
    }
    if (windows_.size() >= kMostOpen) {
        close_oldest(out);
    }
    windows_.push_back({key, clock_.now() + window_, event, 0, event.time_ns()});
    by_key_.emplace(std::move(key), std::prev(windows_.end()));
    out.push_back(event);
}

std::optional<TimePoint> DenialFold::next_due() const {
    const auto counting = std::find_if(windows_.begin(), windows_.end(),
                                       [](const Window& window) { return window.count > 0; });
    return counting == windows_.end() ? std::nullopt : std::optional(counting->ends);
}

void DenialFold::collect_due(std::vector<proto::AuditEvent>& out) {
    while (!windows_.empty() && windows_.front().ends <= clock_.now()) {
        close_oldest(out);
    }
}

void DenialFold::flush(std::vector<proto::AuditEvent>& out) {
    while (!windows_.empty()) {
        close_oldest(out);
    }
}

void DenialFold::close_oldest(std::vector<proto::AuditEvent>& out) {
    const Window& oldest = windows_.front();
    if (oldest.count > 0) {
        proto::AuditEvent event;
        event.set_time_ns(oldest.last_ns);
        event.mutable_repeated()->set_count(oldest.count);
        *event.mutable_repeated()->mutable_first() = oldest.first.decision();
        out.push_back(std::move(event));
    }
    by_key_.erase(oldest.key);
    windows_.pop_front();
}

}  // namespace anchorhold::supervisor
