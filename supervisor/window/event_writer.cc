// One timer for whatever is due first: a count of the fold, a checkpoint of the log.
#include "supervisor/window/event_writer.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace anchorhold::supervisor {
namespace {

uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

EventWriter::EventWriter(EventLoop& loop, AuditLog& log, Handlers handlers)
    : loop_(loop), log_(log), handlers_(std::move(handlers)), fold_(loop.clock()) {}

EventWriter::~EventWriter() {
    loop_.cancel_timer(timer_);
}

Status EventWriter::write(std::vector<proto::AuditEvent> events) {
    const uint64_t now = now_ns();
    std::vector<proto::AuditEvent> folded;
    folded.reserve(events.size());
    for (proto::AuditEvent& event : events) {
        event.set_time_ns(now);
        fold_.take(std::move(event), folded);
    }
    const Status written = append(folded);
    schedule();
    return written;
}

Status EventWriter::append(const std::vector<proto::AuditEvent>& events) {
    if (events.empty()) {
        return {};
    }
    ANCHORHOLD_TRY(log_.append(events));
    for (const proto::AuditEvent& event : events) {
        handlers_.on_event(event);
    }
    return {};
}

Status EventWriter::finish() {
    loop_.cancel_timer(timer_);
    timer_due_.reset();
    std::vector<proto::AuditEvent> counts;
    fold_.flush(counts);
    return append(counts);
}

void EventWriter::schedule() {
    std::optional<TimePoint> due = log_.next_maintenance();
    if (const auto count = fold_.next_due()) {
        due = std::min(due.value_or(*count), *count);
    }
    if (!due || (timer_due_ && *timer_due_ <= *due)) {
        return;
    }
    loop_.cancel_timer(timer_);
    timer_due_ = due;
    timer_ = loop_.add_timer(std::max(*due - loop_.clock().now(), Duration::zero()),
                             [this] { run_due(); });
}

void EventWriter::run_due() {
    timer_ = 0;
    timer_due_.reset();
    std::vector<proto::AuditEvent> counts;
    fold_.collect_due(counts);
    Status done = append(counts);
    if (done) {
        done = log_.maintain();
    }
    if (!done) {
        handlers_.on_failure(done.error().message);
        return;
    }
    schedule();
}

}  // namespace anchorhold::supervisor
