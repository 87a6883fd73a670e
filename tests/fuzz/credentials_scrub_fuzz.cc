// Scrubbing and scanning: no cut lets a secret or a placeholder through, and lengths stay.
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "fuzz_input.h"
#include "proxy/credentials/placeholder.h"
#include "proxy/credentials/scrub.h"

namespace anchorhold::proxy {
namespace {

constexpr std::string_view kSecret = "abab+cab/ab=abc";
constexpr std::string_view kPlaceholder = "anchorhold-held";

std::shared_ptr<const ScrubForms> reflections() {
    auto forms = std::make_shared<ScrubForms>();
    add_scrub_forms(*forms, StoredSecret{"s", kSecret, std::string(kPlaceholder)});
    forms->patterns.build();
    return forms;
}

std::shared_ptr<const PatternSet> placeholders() {
    auto set = std::make_shared<PatternSet>();
    add_placeholder_forms(*set, kPlaceholder, 0);
    set->build();
    return set;
}

}  // namespace
}  // namespace anchorhold::proxy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    using namespace anchorhold::proxy;
    static const auto forms = reflections();
    static const auto set = placeholders();
    fuzz::FuzzInput input(data, size);
    std::string text;
    std::string out;
    Scrubber scrubber(forms);
    PlaceholderScan scan(set);
    bool found = false;
    while (!input.empty()) {
        const auto choice = input.take<uint8_t>();
        const auto bytes = input.take_bytes(choice % 16);
        std::string piece(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const std::string_view word = choice % 64 < 32 ? kSecret : kPlaceholder;
        piece += choice < 64    ? word.substr(0, choice % 32)
                 : choice < 128 ? word.substr(choice % 8)
                                : "";
        text += piece;
        found = scan.piece(piece) || found;
        scrubber.piece(piece);
        out += piece;
    }
    out += scrubber.finish();
    ANCHORHOLD_CHECK(out.size() == text.size());
    ANCHORHOLD_CHECK(out.find(kSecret) == std::string::npos);
    ANCHORHOLD_CHECK(found == PlaceholderScan::contains(*set, text));
    return 0;
}
