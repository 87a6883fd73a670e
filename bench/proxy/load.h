// The client of all contenders: one thread, HTTP/1.1 with keep-alive over TLS, every connection
// asking again as soon as it was answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::bench {

struct LoadTarget {
    std::function<Result<OwnFd>()> connect;  // a blocking stream, up to where TLS begins
    std::string host;                        // the name in SNI, certificate and Host
    std::string authority;                   // PEM file of whom to trust
};

struct LoadResult {
    uint64_t requests = 0;
    uint64_t bytes = 0;  // of bodies
    uint64_t elapsed_ns = 0;
    std::vector<uint64_t> latencies_ns;  // of every request
};

// Open connections, each of which had one answer already. Closing is the destructor's.
class LoadConnections {
  public:
    // An error names the connection that failed and why; so does an answer that is not 200.
    static Result<std::unique_ptr<LoadConnections>> open(const LoadTarget& target, size_t count,
                                                         const std::string& request);
    ~LoadConnections();
    LoadConnections(const LoadConnections&) = delete;
    LoadConnections& operator=(const LoadConnections&) = delete;

    // Sends `request` over and over on all of them; those under way when the time is over are
    // waited for and counted.
    Result<LoadResult> run(const std::string& request, std::chrono::milliseconds time);
    // Sends it once on each.
    Result<LoadResult> run_once(const std::string& request);

  private:
    struct Connection;
    LoadConnections();
    Result<LoadResult> drive(std::span<const std::unique_ptr<Connection>> connections,
                             const std::string& request,
                             std::function<bool(uint64_t now_ns)> another);
    OwnFd epoll_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace anchorhold::bench
