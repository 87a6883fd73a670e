// What is forwarded is parsed again to what was matched, and no server can find a way up in it.
#include <string_view>

#include "base/check.h"
#include "policy/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto target = anchorhold::policy::parse_target(text);
    if (!target) {
        return 0;
    }
    const auto again = anchorhold::policy::parse_target(target->forwarded);
    if (!again) {
        // Encoding can only make it longer than the bound.
        ANCHORHOLD_CHECK(target->forwarded.size() > 8192);
        return 0;
    }
    ANCHORHOLD_CHECK(again->segments == target->segments);
    ANCHORHOLD_CHECK(again->folder == target->folder);
    ANCHORHOLD_CHECK(again->query == target->query);
    ANCHORHOLD_CHECK(again->forwarded == target->forwarded);
    for (const std::string& segment : target->segments) {
        ANCHORHOLD_CHECK(!segment.empty() && segment != "." && segment != "..");
        ANCHORHOLD_CHECK(segment.find('\0') == std::string::npos);
    }
    const std::string path = target->forwarded.substr(0, target->forwarded.find('?'));
    ANCHORHOLD_CHECK(path.find("//") == std::string::npos);
    return 0;
}
