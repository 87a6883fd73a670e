// What the dialer gives up before it hears its first client.
#pragma once

#include "base/result.h"

namespace anchorhold::dialer {

// First: no_new_privs, not dumpable, no capability, no core file, as many descriptors as allowed.
// Threads made afterwards have none of it either.
[[nodiscard]] Status give_up_privileges();

// Second, when every thread was made: a filter for all of them that leaves sockets and reading
// files, but no listening, no writing of files, no new program, process or thread.
[[nodiscard]] Status install_filter();

}  // namespace anchorhold::dialer
