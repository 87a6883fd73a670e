// A ClientHello reads the same whether it came at once or in two parts, and never before it is
// whole.
#include <cstdint>
#include <span>

#include "base/check.h"
#include "proxy/client_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using anchorhold::proxy::parse_client_hello;
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto whole = parse_client_hello(bytes);
    const bool read = whole.has_value() && whole->has_value();
    for (const size_t part : {size / 2, size - (size > 0 ? 1 : 0)}) {
        const auto early = parse_client_hello(bytes.first(part));
        if (!early) {
            // What is wrong with a part is wrong with the whole.
            ANCHORHOLD_CHECK(!whole.has_value());
        } else if (*early && read) {
            ANCHORHOLD_CHECK((*early)->server_name == (*whole)->server_name);
            ANCHORHOLD_CHECK((*early)->alpn == (*whole)->alpn);
        }
    }
    if (read) {
        ANCHORHOLD_CHECK((*whole)->server_name.size() < size);
        for (const std::string& protocol : (*whole)->alpn) {
            ANCHORHOLD_CHECK(!protocol.empty() && protocol.size() < 256);
        }
    }
    return 0;
}
