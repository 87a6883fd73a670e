// A trust store that every Java reads: the JKS format of Sun's JDK 1.2, certificates only.
#pragma once

#include <span>
#include <string>

namespace anchorhold::guest_init {

// The bytes of a store with these certificates (DER) under the aliases "ca-0", "ca-1", … and the
// customary password "changeit", which keeps a checksum and hides nothing.
[[nodiscard]] std::string java_key_store(std::span<const std::string> certificates);

}  // namespace anchorhold::guest_init
