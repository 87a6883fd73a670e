// A small report with two variants, as the tests of its renderings want it.
#pragma once

#include "bench/report.h"

namespace anchorhold::bench {

// Ours: three starts with every phase; "qemu": three that tell nothing about the VMM itself, four
// times as slow. Two restored at once; one and ten idle ones.
[[nodiscard]] Report sample_report();

}  // namespace anchorhold::bench
