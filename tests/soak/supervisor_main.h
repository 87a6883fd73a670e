// The supervisor of the soak: audit log, window host and one window, in a process that can be
// killed.
#pragma once

#include <cstdint>
#include <string>

namespace anchorhold::soak {

// What the soak and its supervisor say to each other on the socket that is descriptor 3, one packet
// each. To the soak: "ready" with the egress channel; "pids <proxy> <zygote> <dialer>", -1 where
// there is none; "shut <why>". To the supervisor: "pids?", "stop".
constexpr int kSoakSocket = 3;

struct SupervisorPlace {
    std::string folder;  // roots.pem in it; XDG_STATE_HOME is set
    uint16_t https_port = 0;
    uint16_t http_port = 0;
};

constexpr const char* kSoakSandbox = "soak";
constexpr const char* kSoakKey = "sk-soak-0123456789abcdef0123456789abcdef";

// Status of the process: 0 after "stop", 3 after "shut", else 1.
int run_supervisor(const SupervisorPlace& place);

}  // namespace anchorhold::soak
