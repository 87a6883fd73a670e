// Where clients put credentials, besides the location of a binding: what is found there on a host
// with a binding would be somebody else's.
#pragma once

#include <string_view>

namespace anchorhold::proxy {

// A lower-case field name whose value is a credential.
[[nodiscard]] bool is_credential_header(std::string_view name);

// A decoded query key, in any case, whose value is a credential.
[[nodiscard]] bool is_credential_query_key(std::string_view key);

// A decoded query key, in any case, of a presigned AWS request.
[[nodiscard]] bool is_aws_presigned_key(std::string_view key);

}  // namespace anchorhold::proxy
