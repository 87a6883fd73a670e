// Something that stands between the bench's client and its origin.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::bench {

class Contender {
  public:
    virtual ~Contender() = default;
    [[nodiscard]] virtual std::string name() const = 0;
    // A fresh stream for TLS with `host`.
    virtual Result<OwnFd> connect(const std::string& host) = 0;
    // PEM file of whom its certificates are signed by.
    [[nodiscard]] virtual std::string authority() const = 0;
    // What a client puts into Authorization for kBenchHost.
    [[nodiscard]] virtual std::string authorization() const { return "Bearer none"; }
    // All processes that work for it; the first is the one whose memory counts. Empty: no proxy.
    virtual Result<std::vector<pid_t>> processes() = 0;
};

// What contenders are made from.
struct ProxySurroundings {
    std::string folder;  // for configuration, keys and state; outlives the contenders
    uint16_t origin_port = 0;
    std::string authority;  // PEM of who signed the origin
    std::string chain;
    std::string key;
    std::string chain_and_key;
};

// Straight to the origin.
std::unique_ptr<Contender> make_direct(const ProxySurroundings& at);

// nginx, haproxy or mitmproxy, found by `program` (a name is looked for in the usual folders); one
// worker, keep-alive on both legs, no log. An error says what is missing or went wrong.
Result<std::unique_ptr<Contender>> make_proxy_peer(const std::string& kind,
                                                   const ProxySurroundings& at);

// CPU time used so far by these processes together, nanoseconds.
Result<uint64_t> processor_time(const std::vector<pid_t>& processes);

}  // namespace anchorhold::bench
