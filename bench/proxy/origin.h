// What all contenders forward to: an HTTPS server that costs little.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "bench/proxy/certificates.h"

namespace anchorhold::bench {

constexpr size_t kSmallAnswer = 1024;

// Answers GET of any path with kSmallAnswer bytes, and of /bulk/N with N; HTTP/1.1 with keep-alive.
class Origin {
  public:
    // In a process of its own, forked here: call it before there are threads.
    static Result<Origin> start(const BenchCertificates& certificates);
    Origin(Origin&& other) noexcept;
    Origin& operator=(Origin&&) = delete;
    ~Origin();

    [[nodiscard]] uint16_t port() const { return port_; }  // on 127.0.0.1

  private:
    Origin(pid_t pid, uint16_t port) : pid_(pid), port_(port) {}
    pid_t pid_;
    uint16_t port_;
};

// A socket that listens on a free port of 127.0.0.1, and that port.
struct Listener {
    OwnFd socket;
    uint16_t port = 0;
};
Result<Listener> listen_on_loopback();
// Connects to 127.0.0.1, blocking, TCP_NODELAY.
Result<OwnFd> connect_to_loopback(uint16_t port);

}  // namespace anchorhold::bench
