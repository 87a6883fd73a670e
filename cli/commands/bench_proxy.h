// The part of `anchorhold bench` that needs no guest.
#pragma once

#include "cli/command.h"

namespace anchorhold::cli {

void add_bench_proxy(CLI::App& group, CommandLine& line);

}  // namespace anchorhold::cli
