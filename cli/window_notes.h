// What a person who watches a run is told about its window, and what is remembered for the end.
// Bounded, however many hosts a guest names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "policy/learn.h"
#include "proto/audit.pb.h"

namespace anchorhold::cli {

class WindowNotes {
  public:
    static constexpr size_t kMostKinds = 1000;                    // of denials told apart
    static constexpr size_t kMostLines = 100;                     // told as they happen
    static constexpr size_t kMostRequests = 10'000;               // kept for --learn
    static constexpr size_t kMostRequestBytes = size_t{4} << 20;  // of their targets and hosts

    // A line to show now for an event that was written, without its newline and safe to print;
    // empty: nothing. A denial's first of its kind (protocol, host, port, reason), a flood, a
    // death.
    std::string note(const proto::AuditEvent& event);

    // One line about all denials of `sandbox`; empty without any.
    [[nodiscard]] std::string summary(const std::string& sandbox) const;

    [[nodiscard]] const std::vector<policy::DeniedRequest>& denied() const { return denied_; }

  private:
    std::string note_denial(const proto::RequestDecided& decision);
    std::string note_flood(uint64_t denials);
    std::string note_process(const proto::ProxyChanged& change);
    void remember(const proto::RequestDecided& decision);

    std::set<std::tuple<std::string, std::string, uint32_t, std::string>> kinds_;
    uint64_t denials_ = 0;
    bool more_kinds_ = false;
    size_t lines_ = 0;
    uint64_t deaths_ = 0;
    std::vector<policy::DeniedRequest> denied_;
    size_t denied_bytes_ = 0;
};

}  // namespace anchorhold::cli
