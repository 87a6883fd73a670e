// How a run ended, for people (one line on stderr, only when something failed) and for programs
// (--json).
#pragma once

#include <string>
#include <string_view>

#include "exec/client.h"
#include "supervisor/timeline.h"

namespace anchorhold::cli {

struct RunReport {
    int status = 0;
    int signal = 0;
    bool out_of_memory = false;
    std::string_view memory_backend;  // of one that was restored
    std::string error;                // one line; empty when there is nothing to say

    void take(const exec::Exited& exited) {
        signal = exited.signal;
        out_of_memory = exited.out_of_memory;
    }
    void print(bool json, const supervisor::Timeline* timeline) const;
};

// "anchorhold: <message>" on stderr.
void print_error(std::string_view message);

// A line of the guest kernel's, or a piece of one, as a terminal may show it: nothing in it is
// obeyed.
[[nodiscard]] std::string console_text(std::string_view bytes);

}  // namespace anchorhold::cli
