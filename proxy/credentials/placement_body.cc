// Locations in a body, and filling all of them.
#include <algorithm>
#include <utility>

#include "proxy/credentials/body_kind.h"
#include "proxy/credentials/encodings.h"
#include "proxy/credentials/json_text.h"
#include "proxy/credentials/placement.h"

namespace anchorhold::proxy {

using policy::Reason;

std::optional<Refusal> Placement::examine_body(const RequestHead& head, std::string_view body) {
    const BodyKind kind = body_kind(head);
    bool looked_into = false;
    for (const proto::Binding* const binding : destination_.bindings) {
        looked_into = looked_into || (bound() && lies_in_body(*binding, kind));
    }
    if (looked_into && is_encoded(head.fields)) {
        return Refusal{Reason::body_unreadable,
                       "the body is compressed, and a credential may have to go into it"};
    }
    if (looked_into) {
        auto refused = kind == BodyKind::json ? examine_json(body) : examine_form(body);
        if (refused) {
            return refused;
        }
    }
    if (PlaceholderScan::contains(*index_.placeholders, masked(body, body_insertions_))) {
        return Refusal{Reason::stray_placeholder,
                       "a placeholder is in the body, where no credential is bound"};
    }
    return std::nullopt;
}

std::optional<Refusal> Placement::examine_json(std::string_view body) {
    if (body.empty()) {
        return std::nullopt;
    }
    std::optional<Refusal> refused;
    const auto read = visit_json_strings(body, [&](const JsonPath& path, JsonString place) {
        for (const proto::Binding* const binding : destination_.bindings) {
            const BoundSecret& bound_secret = index_.of(binding);
            if (refused || binding->location_case() != proto::Binding::kJsonPointer ||
                bound_secret.pointer != path) {
                continue;
            }
            std::optional<SecretString> text;
            refused = place_value(bound_secret,
                                  json_unescape(body.substr(place.begin, place.end - place.begin)),
                                  "the body's " + binding->json_pointer(), text);
            if (text) {
                body_insertions_.push_back({{place.begin, place.end}, json_escape(text->view())});
            }
        }
    });
    return read || refused ? refused
                           : std::optional(Refusal{Reason::body_unreadable, read.error().message});
}

std::optional<Refusal> Placement::examine_form(std::string_view body) {
    std::vector<std::string> placed;
    for (const FormField& field : parse_form(body)) {
        for (const proto::Binding* const binding : destination_.bindings) {
            if (binding->location_case() != proto::Binding::kFormField ||
                binding->form_field() != field.key) {
                continue;
            }
            const std::string where = "the body's field " + field.key;
            if (std::ranges::find(placed, field.key) != placed.end()) {
                return Refusal{Reason::foreign_credential, where + " is there twice"};
            }
            placed.push_back(field.key);
            std::optional<SecretString> text;
            if (auto refused = place_value(index_.of(binding), field.value, where, text)) {
                return refused;
            }
            if (text) {
                body_insertions_.push_back({field.raw, percent_encode(text->view())});
            }
        }
    }
    return std::nullopt;
}

void Placement::insert(std::string& text, const std::vector<Insertion>& insertions) {
    if (insertions.empty()) {
        return;
    }
    std::vector<const Insertion*> order;
    size_t size = text.size();
    for (const Insertion& insertion : insertions) {
        order.push_back(&insertion);
        size += insertion.text.size();
    }
    std::ranges::sort(order, {}, [](const Insertion* one) { return one->place.begin; });
    std::string out;
    out.reserve(size);  // no growth, so that no copy is left behind
    size_t from = 0;
    for (const Insertion* const one : order) {
        out.append(text, from, one->place.begin - from);
        out.append(one->text.view());
        from = one->place.end;
    }
    out.append(text, from);
    text = std::move(out);
}

void Placement::fill(RequestHead& head, std::string& body) {
    insert(head.target, target_insertions_);
    insert(body, body_insertions_);
    for (const HeaderValue& header : headers_) {
        Field* const first = find_field(head.fields, header.name);
        if (first == nullptr) {
            head.fields.push_back(Field{header.name, std::string(header.value.view()), true});
            continue;
        }
        first->value = header.value.view();
        first->secret = true;
        const auto others = head.fields.begin() + (first - head.fields.data()) + 1;
        head.fields.erase(
            std::remove_if(others, head.fields.end(),
                           [&](const Field& field) { return field.name == header.name; }),
            head.fields.end());
    }
}

}  // namespace anchorhold::proxy
