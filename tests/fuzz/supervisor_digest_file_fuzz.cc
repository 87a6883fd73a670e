// Any bytes as what sha256sum wrote: refused, or a digest whose line reads the same again.
#include <string>
#include <string_view>

#include "base/check.h"
#include "supervisor/audit/digest_beside.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    constexpr std::string_view kKind = "sha256:";
    const auto digest = supervisor::parse_digest_file({reinterpret_cast<const char*>(data), size});
    if (digest) {
        ANCHORHOLD_CHECK(digest->starts_with(kKind) && digest->size() == kKind.size() + 64);
        const auto again = supervisor::parse_digest_file(digest->substr(kKind.size()) + "  name\n");
        ANCHORHOLD_CHECK(again && *again == *digest);
    } else {
        ANCHORHOLD_CHECK(!digest.error().message.empty());
    }
    return 0;
}
