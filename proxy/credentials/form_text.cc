// Splitting at '&', '=', '/' and '?'.
#include "proxy/credentials/form_text.h"

#include <algorithm>

#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {

std::vector<FormField> parse_form(std::string_view text, size_t offset) {
    std::vector<FormField> fields;
    size_t start = 0;
    while (start <= text.size() && !text.empty()) {
        const size_t end = std::min(text.find('&', start), text.size());
        const std::string_view part = text.substr(start, end - start);
        if (!part.empty()) {
            const size_t equals = std::min(part.find('='), part.size());
            const size_t value = std::min(equals + 1, part.size());
            fields.push_back({percent_decode(part.substr(0, equals), Plus::space),
                              percent_decode(part.substr(value), Plus::space),
                              {offset + start + value, offset + end}});
        }
        start = end + 1;
    }
    return fields;
}

TargetParts split_target(std::string_view target) {
    TargetParts parts;
    const size_t mark = target.find('?');
    const size_t path_end = std::min(mark, target.size());
    parts.query = mark == std::string_view::npos ? TextRange{target.size(), target.size()}
                                                 : TextRange{mark + 1, target.size()};
    size_t start = 1;
    while (start <= path_end && target.starts_with('/')) {
        const size_t end = std::min(target.find('/', start), path_end);
        parts.segments.push_back({start, end});
        start = end + 1;
    }
    return parts;
}

}  // namespace anchorhold::proxy
