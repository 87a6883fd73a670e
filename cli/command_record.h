// A command's events: what was run, and how it ended.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/clock.h"
#include "cli/run_options.h"
#include "exec/client.h"
#include "proto/audit.pb.h"
#include "proto/exec.pb.h"

namespace anchorhold::cli {

// The environment is not in it, neither names nor values.
[[nodiscard]] proto::AuditEvent command_executed(uint64_t number, const proto::ExecStart& start);

[[nodiscard]] proto::AuditEvent command_ended(uint64_t number, const exec::Outcome& outcome,
                                              Duration duration);

}  // namespace anchorhold::cli
