// Form and target locations: places lie inside the text and in order, and a replaced value is the
// only one that changes.
#include <string>
#include <string_view>

#include "base/check.h"
#include "proxy/credentials/encodings.h"
#include "proxy/credentials/form_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold::proxy;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto fields = parse_form(text);
    size_t last = 0;
    for (const FormField& field : fields) {
        ANCHORHOLD_CHECK(last <= field.raw.begin && field.raw.begin <= field.raw.end &&
                         field.raw.end <= text.size());
        last = field.raw.end;
        ANCHORHOLD_CHECK(
            percent_decode(text.substr(field.raw.begin, field.raw.end - field.raw.begin),
                           Plus::space) == field.value);
    }
    if (!fields.empty()) {
        const size_t chosen = size % fields.size();
        const TextRange place = fields[chosen].raw;
        const bool assigned = place.begin > 0 && text[place.begin - 1] == '=';
        const std::string value = "s&c=r%t+ /";
        std::string changed = text;
        changed.replace(place.begin, place.end - place.begin, percent_encode(value).view());
        const auto again = parse_form(changed);
        ANCHORHOLD_CHECK(again.size() == fields.size());
        for (size_t i = 0; assigned && i < fields.size(); ++i) {
            ANCHORHOLD_CHECK(again[i].key == fields[i].key);
            ANCHORHOLD_CHECK(again[i].value == (i == chosen ? value : fields[i].value));
        }
    }
    const TargetParts parts = split_target(text);
    last = 0;
    for (const TextRange& segment : parts.segments) {
        ANCHORHOLD_CHECK(last <= segment.begin && segment.begin <= segment.end &&
                         segment.end <= parts.query.begin);
        last = segment.end;
    }
    ANCHORHOLD_CHECK(parts.query.begin <= parts.query.end && parts.query.end == text.size());
    return 0;
}
