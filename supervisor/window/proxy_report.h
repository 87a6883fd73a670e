// What a proxy may report. It reads what the guest and upstreams send, so it may not be itself any
// more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.h"
#include "proto/policy.pb.h"
#include "proto/proxy_control.pb.h"

namespace anchorhold::supervisor {

// The names that a sandbox's policy gives, for as long as its window.
class ReportVocabulary {
  public:
    explicit ReportVocabulary(const proto::ResolvedPolicy& policy);

    [[nodiscard]] bool has_rule(const std::string& id) const { return rules_.contains(id); }
    // A secret that a binding uses, or one captured under a binding that captures.
    [[nodiscard]] bool has_secret(const std::string& name) const {
        return secrets_.contains(name) || is_captured(name);
    }
    // "<binding>/minted/…" or "<binding>/href/…"; with `binding`: of that one.
    [[nodiscard]] bool is_captured(std::string_view name) const;
    [[nodiscard]] bool is_captured(std::string_view name, std::string_view binding) const;

  private:
    std::unordered_set<std::string> rules_;
    std::unordered_set<std::string> secrets_;
    std::unordered_set<std::string> bindings_;  // ids
};

// One proxy's reports, in their order.
class ReportCheck {
  public:
    // Streams and requests are numbered from these on, which are not 0.
    ReportCheck(const ReportVocabulary& vocabulary, uint64_t first_stream, uint64_t first_request)
        : vocabulary_(vocabulary),
          first_stream_(first_stream),
          first_request_(first_request),
          last_stream_(first_stream - 1),
          last_request_(first_request - 1) {}

    // The key to certify comes in the first report and in no other. Events of the kinds a proxy
    // has, in bounds, with the policy's own rules and secrets, numbered without a gap; a question
    // that can be asked; a captured credential of a binding. An error says in a few words what is
    // wrong: the proxy is to be ended and nothing of the report used.
    Status check(const proto::ProxyReport& report);

    // The highest so far; one less than the first where there was none.
    [[nodiscard]] uint64_t last_stream() const { return last_stream_; }
    [[nodiscard]] uint64_t last_request() const { return last_request_; }

  private:
    Status check_event(const proto::AuditEvent& event);
    Status check_decision(const proto::RequestDecided& decision) const;
    Status check_outcome(const proto::RequestEnded& outcome) const;
    Status check_minted(const proto::Minted& minted) const;

    const ReportVocabulary& vocabulary_;
    const uint64_t first_stream_;
    const uint64_t first_request_;
    uint64_t last_stream_;
    uint64_t last_request_;
    uint64_t sequence_ = 0;
    bool reported_ = false;
};

}  // namespace anchorhold::supervisor
