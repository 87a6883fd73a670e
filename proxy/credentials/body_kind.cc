// Media types and codings, without their parameters.
#include "proxy/credentials/body_kind.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace anchorhold::proxy {

namespace {

std::string media_type(const Fields& fields) {
    const Field* const field = find_field(fields, "content-type");
    if (field == nullptr) {
        return "";
    }
    std::string type = field->value.substr(0, field->value.find(';'));
    std::erase_if(type, [](char byte) { return byte == ' ' || byte == '\t'; });
    std::ranges::transform(type, type.begin(), [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    });
    return type;
}

}  // namespace

bool is_json(const Fields& fields) {
    const std::string type = media_type(fields);
    return type == "application/json" || type == "text/json" ||
           (type.starts_with("application/") && type.ends_with("+json"));
}

BodyKind body_kind(const RequestHead& head) {
    if (is_json(head.fields)) {
        return BodyKind::json;
    }
    return media_type(head.fields) == "application/x-www-form-urlencoded" ? BodyKind::form
                                                                          : BodyKind::other;
}

bool is_encoded(const Fields& fields) {
    return std::ranges::any_of(fields, [](const Field& field) {
        return field.name == "content-encoding" && !field.value.empty() &&
               field.value != "identity" && field.value != "aws-chunked";
    });
}

bool lies_in_body(const proto::Binding& binding, BodyKind kind) {
    return (kind == BodyKind::json && binding.location_case() == proto::Binding::kJsonPointer) ||
           (kind == BodyKind::form && binding.location_case() == proto::Binding::kFormField);
}

}  // namespace anchorhold::proxy
