// The way of a window's events into its log: timed by the host, floods folded, then written, then
// told.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "proto/audit.pb.h"
#include "supervisor/audit/audit_log.h"
#include "supervisor/audit/event_fold.h"

namespace anchorhold::supervisor {

// Belongs to its event loop's thread.
class EventWriter {
  public:
    struct Handlers {
        // Each event that was written, counts of floods included.
        std::function<void(const proto::AuditEvent&)> on_event;
        // What was due by itself (a count, a checkpoint) cannot be written. One line.
        std::function<void(const std::string& why)> on_failure;
    };
    EventWriter(EventLoop& loop, AuditLog& log, Handlers handlers);
    ~EventWriter();
    EventWriter(const EventWriter&) = delete;
    EventWriter& operator=(const EventWriter&) = delete;

    // The events' time becomes now. On success every one is in the log or counted, and whoever
    // waits for them may go on.
    Status write(std::vector<proto::AuditEvent> events);

    // The proxy is gone, and its connections with it.
    void forget_streams() { fold_.forget_streams(); }

    // Writes every count that is held back, and stops the timers.
    Status finish();

  private:
    Status append(const std::vector<proto::AuditEvent>& events);
    void schedule();
    void run_due();

    EventLoop& loop_;
    AuditLog& log_;
    Handlers handlers_;
    EventFold fold_;
    EventLoop::TimerId timer_ = 0;
    std::optional<TimePoint> timer_due_;
};

}  // namespace anchorhold::supervisor
