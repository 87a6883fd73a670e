// An upstream proxy's answer reads the same whether it came at once or byte by byte, and never
// takes a byte of the tunnel behind it.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "dialer/http_connect.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using anchorhold::dialer::kMaxConnectAnswer;
    using anchorhold::dialer::parse_connect_answer;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = parse_connect_answer(bytes);
    if (!whole || !*whole) {
        ANCHORHOLD_CHECK(!whole || size <= kMaxConnectAnswer);
        return 0;
    }
    ANCHORHOLD_CHECK((*whole)->status >= 100 && (*whole)->status <= 599);
    ANCHORHOLD_CHECK((*whole)->size <= size && (*whole)->size <= kMaxConnectAnswer);
    const std::string_view head = bytes.substr(0, (*whole)->size);
    ANCHORHOLD_CHECK(head.ends_with("\n"));
    const auto alone = parse_connect_answer(head);
    ANCHORHOLD_CHECK(alone && *alone && (*alone)->status == (*whole)->status &&
                     (*alone)->size == head.size());
    for (const size_t part : {head.size() / 2, head.size() - 1}) {
        const auto early = parse_connect_answer(head.substr(0, part));
        ANCHORHOLD_CHECK(early && !*early);
    }
    return 0;
}
