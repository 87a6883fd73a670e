// Records in other systems' terms.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <unordered_map>

namespace anchorhold::supervisor {

// Open Cybersecurity Schema Framework 1.3: HTTP Activity (4002), Network Activity (4001), DNS
// Activity (4003), Process Activity (1007), Application Lifecycle (6002), Base Event (0). What has
// no place there goes under `unmapped`.
class OcsfExport {
  public:
    // One event, without its newline. An outcome carries the request it belongs to, as far as that
    // was seen.
    [[nodiscard]] std::string event(const nlohmann::json& record);

  private:
    std::unordered_map<uint64_t, std::string> requests_;  // by number, the decision's record
};

// OpenTelemetry logs as OTLP/JSON: one ExportLogsServiceRequest with one record, without its
// newline.
[[nodiscard]] std::string otel_request(const nlohmann::json& record);

// "2026-01-02T03:04:05.123456789Z" in nanoseconds since 1970; 0 when it is no such time.
[[nodiscard]] uint64_t time_ns(std::string_view text);

}  // namespace anchorhold::supervisor
