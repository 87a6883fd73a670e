// From policy and store to what requests use.
#include "proxy/credentials/credentials.h"

#include <algorithm>
#include <utility>

#include "proxy/credentials/credential_index.h"

namespace anchorhold::proxy {

Credentials::Credentials(std::unique_ptr<Index> index) : index_(std::move(index)) {}
Credentials::~Credentials() = default;
Credentials::Credentials(Credentials&&) noexcept = default;
Credentials& Credentials::operator=(Credentials&&) noexcept = default;

Result<Credentials> Credentials::create(const proto::ResolvedPolicy& policy, SecretStore store) {
    auto index = std::make_unique<Index>();
    index->policy = &policy;
    index->store = std::move(store);
    for (const proto::Binding& binding : policy.bindings()) {
        ANCHORHOLD_TRY(index->bind(binding));
    }
    index->recall();
    index->rebuild();
    return Credentials(std::move(index));
}

std::optional<ClientIdentity> Credentials::client_identity(
    std::span<const proto::Binding* const> bindings) const {
    const auto found = std::ranges::find_if(bindings, [](const proto::Binding* binding) {
        return binding->location_case() == proto::Binding::kClientCertificate;
    });
    if (found == bindings.end()) {
        return std::nullopt;
    }
    const BoundSecret& bound = index_->of(*found);
    return ClientIdentity{bound.certificate->value, bound.secret->value, bound.secret->name};
}

PlaceholderScan Credentials::scan() const {
    return PlaceholderScan(index_->placeholders);
}

Scrubber Credentials::scrubber() const {
    return Scrubber(index_->reflections);
}

void wipe(RequestHead& head) {
    for (Field& field : head.fields) {
        if (field.secret) {
            wipe(field.value);
        }
    }
    wipe(head.target);
}

}  // namespace anchorhold::proxy
