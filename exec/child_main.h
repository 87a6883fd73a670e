// What a child does until exec: system calls only, on memory that may still be its parent's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exec/child.h"

namespace anchorhold::exec {

enum class ChildStage : uint32_t {
    kExecuting,           // everything is in place, execve is next; tsc is set
    kSetUp,               // a call named in detail failed before
    kDirectory,           // chdir failed
    kExecFailed,          // execve failed for every candidate
    kInterpreterMissing,  // the file exists, the interpreter named in detail (or in its ELF header)
                          // does not
};

// One record in the report pipe. The child runs our code only, so the parent trusts it.
struct ChildReport {
    ChildStage stage;
    int32_t error;
    uint64_t tsc;
    char detail[112];
};
static_assert(sizeof(ChildReport) == 128);

// Everything child_main needs. Holds pointers into the request, which outlives the fork.
struct ChildPlan {
    ChildPlan(const ChildRequest& child_request, int report_fd);

    const ChildRequest& request;
    std::vector<char*> argv;
    std::vector<char*> envp;
    int report;
};

[[noreturn]] void child_main(ChildPlan& plan) noexcept;

// argv[0], quoted and made printable.
[[nodiscard]] std::string command_name(const Command& command);

}  // namespace anchorhold::exec
