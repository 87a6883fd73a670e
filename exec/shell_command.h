// A line for a guest's shell, as a request.
#pragma once

#include <string>

#include "proto/exec.pb.h"

namespace anchorhold::exec {

// `/bin/sh -c LINE` as the default user, without a standard input.
[[nodiscard]] proto::ExecStart shell_command(const std::string& line);

}  // namespace anchorhold::exec
