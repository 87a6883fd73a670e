// Endpoints of well-known services that answer with a credential: on a host with a binding they
// would turn our secret into one that the guest holds.
#pragma once

#include <string_view>

#include "policy/target.h"
#include "proxy/head.h"

namespace anchorhold::proxy {

// By host, method and path. `host` is a strict name.
[[nodiscard]] bool is_minting_endpoint(std::string_view host, std::string_view method,
                                       const policy::Target& target);

// By what AWS services name their operations: `Action` in the query or a form body, X-Amz-Target,
// S3's CreateSession. `form` is the body where it is a form, or empty.
[[nodiscard]] bool is_minting_aws_request(const RequestHead& head, std::string_view form);

}  // namespace anchorhold::proxy
