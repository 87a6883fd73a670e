// Reading a sandbox's audit log aloud: for people, as JSON, and in other systems' formats.
#pragma once

#include <string>

#include "base/result.h"
#include "supervisor/audit/record_filter.h"

namespace anchorhold::cli {

struct AuditShow {
    enum class Format { text, jsonl, ocsf, otel };
    enum class Until { end_of_file, end_of_sandbox };  // the latter waits for more

    std::string path;  // of log.jsonl
    supervisor::RecordFilter filter;
    Format format = Format::text;
    Until until = Until::end_of_file;
};

// Prints to standard output. Lines that are no JSON are told on standard error and skipped; their
// number comes back.
[[nodiscard]] Result<size_t> show_audit_log(const AuditShow& show);

}  // namespace anchorhold::cli
