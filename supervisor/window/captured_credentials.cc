// First in, first out.
#include "supervisor/window/captured_credentials.h"

#include "proxy/credentials/secret_string.h"

namespace anchorhold::supervisor {

Status CapturedCredentials::keep(proto::Secret& secret) {
    const size_t bytes = secret.name().size() + secret.value().size() + secret.placeholder().size();
    Status kept = bytes <= kMostBytes ? Status() : fail("a captured credential is too long");
    while (kept && (kept_.size() >= kMostCount || bytes_ + bytes > kMostBytes)) {
        store_.remove(kept_.front().name);
        bytes_ -= kept_.front().bytes;
        kept_.pop_front();
    }
    if (kept) {
        kept = store_.add(secret.name(), secret.value(), secret.placeholder());
    }
    proxy::wipe(*secret.mutable_value());
    if (kept) {
        kept_.push_back({secret.name(), bytes});
        bytes_ += bytes;
    }
    return kept;
}

}  // namespace anchorhold::supervisor
