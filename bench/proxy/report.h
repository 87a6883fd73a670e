// A result of `bench proxy` for people and programs.
#pragma once

#include <string>

#include "bench/proxy/proxy_bench.h"

namespace anchorhold::bench {

[[nodiscard]] std::string table(const ProxyReport& report);
[[nodiscard]] std::string to_json(const ProxyReport& report);

// One self-contained SVG: requests per CPU-second, bulk rate and memory as bars, and the
// distribution of one connection's answers. Readable on light and dark pages.
[[nodiscard]] std::string proxy_svg(const ProxyReport& report);

}  // namespace anchorhold::bench
