// What is known of a named sandbox, as it is on disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "supervisor/spec.h"

namespace anchorhold::service {

enum class SandboxState {
    creating,    // nothing of it is complete; the next start removes it
    running,     // its guest runs and takes commands
    paused,      // its guest is in memory and stands still
    hibernated,  // its guest is on disk
    stopped,     // its disk is there, its guest is gone
};

// An operation that has begun and not completed. The state is the one before it, and wins when the
// supervisor dies meanwhile.
struct PendingOperation {
    std::string kind;    // "create", "start", "stop", "pause", "resume", "hibernate", "fork"
    std::string source;  // of a fork's child: the sandbox it is forked from
    uint64_t group = 0;  // of a fork: completed when the source's last_fork is this
};

struct Record {
    std::string name;
    std::string id;           // 32 hex digits, never used twice
    uint64_t generation = 1;  // counts the guest's lives: each clone or restore is a new one
    SandboxState state = SandboxState::creating;
    std::optional<PendingOperation> pending;

    std::string image;          // where it has no template, or starts cold
    std::string template_name;  // empty: none
    uint32_t cpus = 1;
    uint64_t memory_bytes = 0;
    uint64_t disk_bytes = 0;
    std::vector<std::string> policies;
    uint32_t idle_seconds = 0;  // hibernates after so long without a command; 0: never
    std::map<std::string, std::string> labels;

    std::string start;         // how its present guest was started: parked, shell, restore, cold
    std::string parent;        // the sandbox it was forked from
    std::string snapshot;      // the folder's name below the sandbox's, of a hibernated one
    std::string reason;        // why it stopped, when nobody asked for it
    uint64_t last_fork = 0;    // the group of the last fork of it that completed
    uint64_t adoptions = 0;    // by how many supervisors after the first
    int64_t created_unix = 0;  // seconds

    [[nodiscard]] supervisor::SandboxSpec spec() const;
};

[[nodiscard]] std::string_view to_text(SandboxState state);

// As written to disk.
[[nodiscard]] std::string to_json(const Record& record);
// Strict: a field that is missing, of another type or out of bounds is an error that names it.
[[nodiscard]] Result<Record> parse_record(std::string_view json);

// Letters, digits and hyphens, 1 to 63, no hyphen at either end, lower case (RFC 1123 labels). The
// error says so.
[[nodiscard]] Status check_name(std::string_view name);
// The same for templates, with dots and underscores inside.
[[nodiscard]] Status check_template_name(std::string_view name);

// 32 hex digits from the kernel.
[[nodiscard]] std::string random_id();

}  // namespace anchorhold::service
