// Encrypting and decrypting the files of a hibernated sandbox, each by a process of its own
// (vault/).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"
#include "supervisor/installation.h"

namespace anchorhold::service {

struct VaultJob {
    enum class Direction : uint8_t { kEncrypt, kDecrypt } direction = Direction::kEncrypt;
    std::string kind;     // "state", "memory": what the file is, and can be nothing else
    std::string sandbox;  // whose
    std::string generation;
    OwnFd source;
    OwnFd target;  // empty
};

// Belongs to its event loop's thread. Destroyed, it kills the worker and forgets the callback.
class VaultWorker {
  public:
    // `key` has 32 bytes. `done` runs once, from the loop; it may destroy this object.
    static Result<std::unique_ptr<VaultWorker>> start(EventLoop& loop,
                                                      const supervisor::Installation& installation,
                                                      VaultJob job, const std::string& key,
                                                      std::function<void(const Status&)> done);
    ~VaultWorker();
    VaultWorker(const VaultWorker&) = delete;
    VaultWorker& operator=(const VaultWorker&) = delete;

  private:
    VaultWorker(EventLoop& loop, Child child, OwnFd words, std::function<void(const Status&)> done)
        : loop_(loop), child_(std::move(child)), words_(std::move(words)), done_(std::move(done)) {}
    void ended();

    EventLoop& loop_;
    Child child_;
    OwnFd words_;  // its standard error
    std::function<void(const Status&)> done_;
};

// The key of all hibernated sandboxes of this installation: read from `folder`, or made there
// (0600).
[[nodiscard]] Result<std::string> hibernation_key(const std::string& folder);

}  // namespace anchorhold::service
