// Floods of one denial, counted instead of repeated.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "proto/audit.pb.h"

namespace anchorhold::supervisor {

// The first denial passes; equal ones within `window` of it are counted; when the window ends one
// DenialsRepeated says how many. Belongs to one thread.
class DenialFold {
  public:
    static constexpr Duration kWindow = std::chrono::seconds(10);
    static constexpr size_t kMostOpen = 1024;  // beyond it the oldest window ends early

    explicit DenialFold(const Clock& clock, Duration window = kWindow)
        : clock_(clock), window_(window) {}

    // Appends to `out` what is to be written now: the event itself unless it is a denial that was
    // counted, behind the counts of windows that ended.
    void take(const proto::AuditEvent& event, std::vector<proto::AuditEvent>& out);

    // When the next window with a count ends; nullopt: nothing is held back.
    [[nodiscard]] std::optional<TimePoint> next_due() const;
    // Appends the counts of windows that have ended.
    void collect_due(std::vector<proto::AuditEvent>& out);
    // Ends every window.
    void flush(std::vector<proto::AuditEvent>& out);

  private:
    struct Window {
        std::string key;
        TimePoint ends;
        proto::AuditEvent first;
        uint64_t count = 0;  // of those behind the first
        uint64_t last_ns = 0;
    };
    void close_oldest(std::vector<proto::AuditEvent>& out);

    const Clock& clock_;
    const Duration window_;
    std::list<Window> windows_;  // by age
    std::unordered_map<std::string, std::list<Window>::iterator> by_key_;
};

}  // namespace anchorhold::supervisor
