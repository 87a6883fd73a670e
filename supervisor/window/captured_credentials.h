// Credentials captured from answers (policy's `mint: capture`), kept for the proxy that comes after
// one that died.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

#include "base/result.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/secret_store.h"

namespace anchorhold::supervisor {

// Keeps them in a sandbox's store, in locked memory, so many and no more: the oldest is forgotten,
// wiped, and a later proxy denies its placeholder like any that it does not know. Belongs to one
// thread.
class CapturedCredentials {
  public:
    static constexpr size_t kMostCount = 512;                // the proxy's own bound
    static constexpr size_t kMostBytes = size_t{256} << 10;  // of names, values and placeholders

    // `store` outlives this.
    explicit CapturedCredentials(proxy::SecretStore& store) : store_(store) {}

    // Wipes the message's value whatever comes of it. One that was captured again replaces itself.
    // An error names no value: the name is taken by a secret that was not captured, memory cannot
    // be locked.
    Status keep(proto::Secret& secret);

    [[nodiscard]] size_t count() const { return kept_.size(); }
    [[nodiscard]] size_t bytes() const { return bytes_; }

  private:
    struct Kept {
        std::string name;
        size_t bytes;
    };
    void forget(std::deque<Kept>::iterator which);

    proxy::SecretStore& store_;
    std::deque<Kept> kept_;  // by age
    size_t bytes_ = 0;
};

}  // namespace anchorhold::supervisor
