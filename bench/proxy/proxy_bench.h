// What `anchorhold bench proxy` measures, and the result as data.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/environment.h"
#include "bench/statistics.h"
#include "supervisor/installation.h"

namespace anchorhold::bench {

struct ProxyBenchRequest {
    std::vector<std::string> peers;  // nginx, haproxy, mitmproxy
    unsigned rounds = 5;             // of each measurement, contenders in turn
    unsigned round_ms = 1000;
    unsigned connections = 64;
    unsigned idle_connections = 256;
    uint64_t bulk_bytes = uint64_t{64} << 20;  // a download of the bulk rounds
    std::string version;                       // of Anchorhold
    std::function<void(const std::string& step)> on_progress{};
};

// One contender's figures. CPU time is that of all its processes: for the window its proxy, dialer
// and supervisor. The direct connection has latencies and rates only.
struct ProxyFigures {
    std::string name;
    std::optional<uint64_t> requests_per_cpu_second;
    uint64_t requests_per_second = 0;
    std::optional<uint64_t> bulk_per_cpu_second;   // bytes
    uint64_t bulk_per_second = 0;                  // bytes
    Summary one_connection;                        // nanoseconds a request, nothing else under way
    Summary loaded;                                // with all connections at work
    std::vector<uint64_t> one_connection_samples;  // for the plot: at most 2,000, evenly taken
    std::optional<uint64_t> idle_bytes;            // private memory of the process that forwards
    std::optional<uint64_t> connection_bytes;      // more of it for each idle connection
    std::string processor_shares;                  // of its processes, for people
};

struct ProxyReport {
    Environment environment;
    ProxyBenchRequest request;
    std::vector<ProxyFigures> contenders;  // direct, the window, then peers
    std::vector<std::string> missing;      // peers that could not take part, and why
};

// Starts origin, window and peers below a folder of its own, measures, and leaves nothing behind.
// Call it before there are threads.
Result<ProxyReport> measure_proxies(const supervisor::Installation& installation,
                                    const ProxyBenchRequest& request);

// The limits that the window is held to against nginx in the same run; one line each, with
// "falls short" where it does. Empty without nginx.
std::vector<std::string> judged(const ProxyReport& report);

}  // namespace anchorhold::bench
