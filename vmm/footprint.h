// Keeping the process small: hundreds of it share a host, and each is idle most of the time.
#pragma once

namespace anchorhold::vmm {

// One malloc arena, and freed memory goes back soon. First thing in main().
void limit_heap();

// Drops the program's own clean pages from this process; what is needed again comes back from the
// page cache. Most of a VMM's code is for its first milliseconds.
void shed_start_code();

}  // namespace anchorhold::vmm
