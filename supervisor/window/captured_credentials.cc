// First in, first out.
#include "supervisor/window/captured_credentials.h"

#include <algorithm>

#include "proxy/credentials/secret_string.h"

namespace anchorhold::supervisor {

Status CapturedCredentials::keep(proto::Secret& secret) {
    const size_t bytes = secret.name().size() + secret.value().size() + secret.placeholder().size();
    Status kept = bytes <= kMostBytes ? Status() : fail("a captured credential is too long");
    const auto known = std::ranges::find(kept_, secret.name(), &Kept::name);
    if (kept && known != kept_.end()) {
        forget(known);
    }
    while (kept && (kept_.size() >= kMostCount || bytes_ + bytes > kMostBytes)) {
        forget(kept_.begin());
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

void CapturedCredentials::forget(std::deque<Kept>::iterator which) {
    store_.remove(which->name);
    bytes_ -= which->bytes;
    kept_.erase(which);
}

}  // namespace anchorhold::supervisor
