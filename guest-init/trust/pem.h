// Certificates in PEM (RFC 7468), as bundles have them: text and comments between are skipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::guest_init {

// The certificates of a text in DER, in order. What is not well-formed base64, or is cut, is left
// out.
[[nodiscard]] std::vector<std::string> certificates_of(std::string_view pem);

// RFC 4648 §4, without line breaks.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace anchorhold::guest_init
