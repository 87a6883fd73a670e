// What a guest can cause without leave, counted instead of repeated, so that it cannot fill the
// log: denials, connections that only meet denials, questions for names.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "proto/audit.pb.h"

namespace anchorhold::supervisor {

// The first denial passes; equal ones within kWindow of it are counted, and when that ends one
// DenialsRepeated says how many. Of different denials, connections and questions so many pass in
// one kWindow; EventsCounted says how many more there were. A connection's record that was held
// back comes before the first event on it that passes. Everything else passes as it is. Belongs to
// one thread.
class EventFold {
  public:
    static constexpr Duration kWindow = std::chrono::seconds(10);
    // In one window each.
    static constexpr uint64_t kMostDenials = 256;
    static constexpr uint64_t kMostConnections = 1024;
    static constexpr uint64_t kMostQuestions = 256;
    // Connections remembered at once; a proxy has no more streams.
    static constexpr size_t kMostStreams = 4096;

    explicit EventFold(const Clock& clock) : clock_(clock) {}

    // Appends to `out` what is to be written now, in order.
    void take(proto::AuditEvent event, std::vector<proto::AuditEvent>& out);

    // When a count is next due; nullopt: nothing is held back.
    [[nodiscard]] std::optional<TimePoint> next_due() const;
    // Appends the counts that are due.
    void collect_due(std::vector<proto::AuditEvent>& out);
    // Appends every count: at the end.
    void flush(std::vector<proto::AuditEvent>& out);

    // The proxy is gone and with it its connections: those held back are counted.
    void forget_streams();

  private:
    struct Repeats {
        std::string key;
        TimePoint ends;
        proto::AuditEvent first;
        uint64_t count = 0;  // of those behind the first
        uint64_t last_ns = 0;
    };
    // What passed in the current window and what did not.
    struct Tally {
        uint64_t passed = 0;
        uint64_t counted = 0;
        [[nodiscard]] bool pass(uint64_t most) { return passed < most && ++passed > 0; }
    };
    void take_denial(proto::AuditEvent event, std::vector<proto::AuditEvent>& out);
    void take_opened(proto::AuditEvent event, std::vector<proto::AuditEvent>& out);
    void take_closed(proto::AuditEvent event, std::vector<proto::AuditEvent>& out);
    void pass(proto::AuditEvent event, std::vector<proto::AuditEvent>& out);
    void begin_window();
    void end_window(std::vector<proto::AuditEvent>& out);
    void close_oldest(std::vector<proto::AuditEvent>& out);

    const Clock& clock_;
    std::list<Repeats> repeats_;  // by age
    std::unordered_map<std::string, std::list<Repeats>::iterator> by_key_;
    std::optional<TimePoint> window_ends_;
    Tally denials_;
    Tally connections_;
    Tally questions_;
    uint64_t last_ns_ = 0;
    std::unordered_map<uint64_t, proto::AuditEvent> held_;  // by stream
    std::unordered_set<uint64_t> written_;                  // streams whose opening is in the log
};

}  // namespace anchorhold::supervisor
