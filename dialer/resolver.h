// Names to addresses, away from the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "dialer/ip_address.h"

namespace anchorhold::dialer {

struct Resolution {
    enum class Outcome { found, no_such_name, failed, busy };
    Outcome outcome = Outcome::failed;
    std::vector<IpAddress> addresses;  // in the order to try, at least one when found
    std::string detail;                // of a failure, one line
};

class Resolver {
  public:
    using Done = std::function<void(Resolution)>;
    using Ticket = uint64_t;

    virtual ~Resolver() = default;
    // Asks for a name on behalf of a client. `done` runs on the loop's thread, never from within
    // resolve().
    virtual Ticket resolve(uint64_t client, const std::string& name, Done done) = 0;
    // `done` will not run. No-op when it did.
    virtual void cancel(Ticket ticket) = 0;
};

// The host's own way, getaddrinfo(3): /etc/hosts, nsswitch, systemd-resolved. Names are absolute.
[[nodiscard]] Resolution look_up(const std::string& name);

// A bounded pool of threads. Clients take turns, and none holds more than half of the threads, so
// that names whose servers do not answer stall only the sandbox that asks for them.
class PooledResolver final : public Resolver {
  public:
    using LookUp = std::function<Resolution(const std::string&)>;

    PooledResolver(EventLoop& loop, size_t threads, LookUp look_up);
    // Waits for look-ups that are under way.
    ~PooledResolver() override;
    PooledResolver(const PooledResolver&) = delete;
    PooledResolver& operator=(const PooledResolver&) = delete;

    Ticket resolve(uint64_t client, const std::string& name, Done done) override;
    void cancel(Ticket ticket) override;

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace anchorhold::dialer
