// A process that holds secrets, closed to core images and to other processes of its user.
#pragma once

#include "base/result.h"

namespace anchorhold::supervisor {

// Call before the first secret is read, before OpenSSL is used and before there are threads: no
// core image from now on, no tracing and no reading of its memory by other processes of the same
// user; OpenSSL keeps private keys in locked memory that no image has, and zeroes what it frees.
// What it starts is not affected, but leaves no core image either. An error names the limit that
// was met.
Status seal_process_memory();

}  // namespace anchorhold::supervisor
