// Repeated denials by what they say; everything else by number in a window.
#include "supervisor/audit/event_fold.h"

#include <algorithm>

namespace anchorhold::supervisor {
namespace {

bool is_denial(const proto::AuditEvent& event) {
    return event.has_decision() &&
           (event.decision().verdict() == proto::RequestDecided::DENY ||
            event.decision().verdict() == proto::RequestDecided::ASKED_DENY);
}

}  // namespace

void EventFold::take(proto::AuditEvent event, std::vector<proto::AuditEvent>& out) {
    collect_due(out);
    last_ns_ = event.time_ns();
    if (is_denial(event)) {
        take_denial(std::move(event), out);
    } else if (event.has_connection()) {
        take_opened(std::move(event), out);
    } else if (event.has_connection_closed()) {
        take_closed(std::move(event), out);
    } else if (event.has_dns()) {
        begin_window();
        if (questions_.pass(kMostQuestions)) {
            pass(std::move(event), out);
        } else {
            questions_.counted += uint64_t{1} + event.dns().repeated();
        }
    } else {
        pass(std::move(event), out);
    }
}

void EventFold::take_denial(proto::AuditEvent event, std::vector<proto::AuditEvent>& out) {
    std::string key = event.decision().SerializeAsString();
    const auto known = by_key_.find(key);
    if (known != by_key_.end()) {
        ++known->second->count;
        known->second->last_ns = event.time_ns();
        return;
    }
    begin_window();
    if (!denials_.pass(kMostDenials)) {
        ++denials_.counted;
        return;
    }
    repeats_.push_back({key, clock_.now() + kWindow, event, 0, event.time_ns()});
    by_key_.emplace(std::move(key), std::prev(repeats_.end()));
    pass(std::move(event), out);
}

void EventFold::take_opened(proto::AuditEvent event, std::vector<proto::AuditEvent>& out) {
    begin_window();
    const uint64_t stream = event.stream();
    if (connections_.pass(kMostConnections)) {
        if (written_.size() < kMostStreams) {
            written_.insert(stream);
        }
        out.push_back(std::move(event));
    } else if (held_.size() < kMostStreams) {
        held_.insert_or_assign(stream, std::move(event));
    } else {
        ++connections_.counted;
    }
}

void EventFold::take_closed(proto::AuditEvent event, std::vector<proto::AuditEvent>& out) {
    begin_window();
    if (held_.erase(event.stream()) > 0) {
        ++connections_.counted;
    } else if (written_.erase(event.stream()) > 0 || connections_.pass(kMostConnections)) {
        out.push_back(std::move(event));
    } else {
        ++connections_.counted;
    }
}

void EventFold::pass(proto::AuditEvent event, std::vector<proto::AuditEvent>& out) {
    if (auto opened = held_.extract(event.stream()); !opened.empty()) {
        if (written_.size() < kMostStreams) {
            written_.insert(event.stream());
        }
        out.push_back(std::move(opened.mapped()));
    }
    out.push_back(std::move(event));
}

std::optional<TimePoint> EventFold::next_due() const {
    const auto counting = std::find_if(repeats_.begin(), repeats_.end(),
                                       [](const Repeats& one) { return one.count > 0; });
    std::optional<TimePoint> due;
    if (counting != repeats_.end()) {
        due = counting->ends;
    }
    if (denials_.counted + connections_.counted + questions_.counted > 0) {
        due = std::min(due.value_or(*window_ends_), *window_ends_);
    }
    return due;
}

void EventFold::collect_due(std::vector<proto::AuditEvent>& out) {
    const TimePoint now = clock_.now();
    while (!repeats_.empty() && repeats_.front().ends <= now) {
        close_oldest(out);
    }
    if (window_ends_ && *window_ends_ <= now) {
        end_window(out);
    }
}

void EventFold::flush(std::vector<proto::AuditEvent>& out) {
    forget_streams();
    while (!repeats_.empty()) {
        close_oldest(out);
    }
    end_window(out);
}

void EventFold::forget_streams() {
    if (!held_.empty()) {
        begin_window();
        connections_.counted += held_.size();
        held_.clear();
    }
    written_.clear();
}

void EventFold::begin_window() {
    if (!window_ends_) {
        window_ends_ = clock_.now() + kWindow;
    }
}

void EventFold::end_window(std::vector<proto::AuditEvent>& out) {
    if (denials_.counted + connections_.counted + questions_.counted > 0) {
        proto::AuditEvent event;
        event.set_time_ns(last_ns_);
        proto::EventsCounted& counted = *event.mutable_counted();
        counted.set_denials(denials_.counted);
        counted.set_connections(connections_.counted);
        counted.set_questions(questions_.counted);
        out.push_back(std::move(event));
    }
    denials_ = connections_ = questions_ = Tally{};
    window_ends_.reset();
}

void EventFold::close_oldest(std::vector<proto::AuditEvent>& out) {
    const Repeats& oldest = repeats_.front();
    if (oldest.count > 0) {
        proto::AuditEvent event;
        event.set_time_ns(oldest.last_ns);
        event.mutable_repeated()->set_count(oldest.count);
        *event.mutable_repeated()->mutable_first() = oldest.first.decision();
        out.push_back(std::move(event));
    }
    by_key_.erase(oldest.key);
    repeats_.pop_front();
}

}  // namespace anchorhold::supervisor
