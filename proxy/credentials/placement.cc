// Fields, query and path of a request. The order of the checks makes the reason the nearest one.
#include "proxy/credentials/placement.h"

#include <algorithm>
#include <utility>

#include "proxy/credentials/encodings.h"
#include "proxy/credentials/foreign.h"

namespace anchorhold::proxy {

using policy::Reason;

namespace {

std::string_view after_scheme(std::string_view value) {
    const size_t space = value.find(' ');
    if (space == std::string_view::npos) {
        return {};
    }
    value.remove_prefix(space);
    return value.substr(std::min(value.find_first_not_of(' '), value.size()));
}

bool is_basic(std::string_view value) {
    constexpr std::string_view kBasic = "basic ";
    return value.size() > kBasic.size() &&
           std::ranges::equal(value.substr(0, kBasic.size()), kBasic, [](char a, char b) {
               return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
           });
}

std::string quoted(std::string_view name) {
    return "\"" + std::string(name) + "\"";
}

Refusal stray_in(std::string_view where) {
    return {Reason::stray_placeholder,
            "a placeholder is in " + std::string(where) + ", where it is not bound"};
}

Refusal foreign_in(std::string_view where) {
    return {Reason::foreign_credential,
            std::string(where) + " holds a credential that is not the placeholder"};
}

Refusal unbound(const proto::Binding& binding) {
    return {Reason::unbound_credential, "secret " + binding.secret() +
                                            " serves only requests that the document of binding " +
                                            binding.id() + " allows"};
}

}  // namespace

Placement::Placement(const Credentials::Index& index, const Destination& destination,
                     const policy::Decision& decision)
    : index_(index), destination_(destination), decision_(decision) {}

bool Placement::bound() const {
    return destination_.protocol == proto::HTTPS && !destination_.bindings.empty();
}

bool Placement::usable(const proto::Binding* binding) const {
    return destination_.protocol == proto::HTTPS &&
           std::ranges::find(decision_.bindings, binding) != decision_.bindings.end();
}

void Placement::use(const proto::Binding* binding, const StoredSecret& secret) {
    served_ = binding;
    if (std::ranges::find(used_, secret.name) == used_.end()) {
        used_.push_back(secret.name);
    }
}

bool Placement::stray(std::string_view text) const {
    return PlaceholderScan::contains(*index_.placeholders, text);
}

std::string Placement::masked(std::string_view text, const std::vector<Insertion>& insertions) {
    std::string out(text);
    for (const Insertion& insertion : insertions) {
        std::fill(out.begin() + static_cast<ptrdiff_t>(insertion.place.begin),
                  out.begin() + static_cast<ptrdiff_t>(insertion.place.end), '\n');
    }
    return out;
}

Placement::Offer Placement::offered(std::string_view value) const {
    if (const StoredSecret* const whole = index_.placeholder(value)) {
        return {whole, ""};
    }
    const std::string_view rest = after_scheme(value);
    if (const StoredSecret* const token = index_.placeholder(rest)) {
        return {token, ""};
    }
    if (is_basic(value)) {
        if (const auto pair = base64_decode(rest)) {
            const size_t colon = std::min(pair->find(':'), pair->size());
            const std::string user = pair->substr(0, colon);
            if (const auto* const password =
                    index_.placeholder(pair->substr(std::min(colon + 1, pair->size())))) {
                return {password, user};
            }
            return {index_.placeholder(user), ""};
        }
    }
    for (const proto::Binding* const binding : destination_.bindings) {
        if (const auto inside = index_.of(binding).inside(value)) {
            if (const auto* const secret = index_.placeholder(*inside)) {
                return {secret, ""};
            }
        }
    }
    return {};
}

const proto::Binding* Placement::binding_for(const Field& field, const Offer& offer) const {
    const Captured* const captured = index_.captured_as(offer.secret);
    if (captured != nullptr && captured->href) {
        return is_credential_header(field.name) ? captured->binding : nullptr;
    }
    for (const proto::Binding* const binding : destination_.bindings) {
        const BoundSecret& bound_secret = index_.of(binding);
        const bool here =
            binding->location_case() == proto::Binding::kHeader && binding->header() == field.name;
        // A captured token is used where OAuth has it (RFC 6750 §2.1), also when the secret that it
        // was made from stands elsewhere.
        if (index_.serves(bound_secret, offer.secret) &&
            (here || (captured != nullptr && field.name == "authorization"))) {
            return binding;
        }
    }
    return nullptr;
}

SecretString Placement::header_value(const BoundSecret& bound_secret, const StoredSecret& secret,
                                     std::string_view user) const {
    if (!bound_secret.binding->basic()) {
        return bound_secret.formatted(secret.value);
    }
    SecretString pair(bound_secret.binding->user().empty()
                          ? user
                          : std::string_view(bound_secret.binding->user()));
    pair.push_back(':');
    pair.append(secret.value);
    SecretString value("Basic ");
    value.append(base64_encode(pair.view()).view());
    return value;
}

bool Placement::hands_out_links(const proto::Binding& binding, uint32_t document) const {
    return std::ranges::any_of(index_.bound, [&](const auto& known) {
        const proto::Binding& other = *known.first;
        return other.origin().document() == document && other.secret() == binding.secret() &&
               std::ranges::equal(other.hosts(), binding.hosts(), [](const auto& a, const auto& b) {
                   return a.SerializeAsString() == b.SerializeAsString();
               });
    });
}

std::optional<Refusal> Placement::examine_offer(const RequestHead& head, const Field& field,
                                                const Offer& offer) {
    const proto::Binding* const binding = binding_for(field, offer);
    if (binding == nullptr) {
        return stray_in("header " + field.name);
    }
    const Captured* const captured = index_.captured_as(offer.secret);
    const bool linked = captured != nullptr && captured->href.has_value();
    if (linked && !captured->href->covers(destination_, head.target)) {
        return stray_in("header " + field.name + " of a request to another place than its link's");
    }
    const bool elsewhere = linked && decision_.rule != nullptr &&
                           hands_out_links(*binding, decision_.rule->origin().document());
    if (destination_.protocol != proto::HTTPS || (!usable(binding) && !elsewhere)) {
        return unbound(*binding);
    }
    if (std::ranges::find(headers_, field.name, &HeaderValue::name) != headers_.end()) {
        return foreign_in("header " + field.name + ", which is there twice,");
    }
    const bool own = binding->location_case() == proto::Binding::kHeader &&
                     binding->header() == field.name && !linked;
    if (own) {
        headers_.push_back(
            {field.name, header_value(index_.of(binding), *offer.secret, offer.user)});
    } else {
        // As the guest wrote it, with the secret in the placeholder's place.
        SecretString value(
            std::string_view(field.value)
                .substr(0, field.value.size() -
                               std::min(field.value.size(), offer.secret->placeholder.size())));
        if (!field.value.ends_with(offer.secret->placeholder)) {
            value = SecretString("Bearer ");
        }
        value.append(offer.secret->value);
        headers_.push_back({field.name, std::move(value)});
    }
    if (captured != nullptr) {
        replaced_.push_back(binding);
    }
    use(binding, *offer.secret);
    return std::nullopt;
}

std::optional<Refusal> Placement::examine_field(const RequestHead& head, const Field& field) {
    const bool authorization = field.name == "authorization";
    bool location = false;
    for (const proto::Binding* const binding : destination_.bindings) {
        location = location || (binding->location_case() == proto::Binding::kHeader &&
                                binding->header() == field.name);
    }
    const bool aws = bound() && std::ranges::any_of(destination_.bindings, [](const auto* binding) {
                         return binding->location_case() == proto::Binding::kAwsSigv4;
                     });
    if (aws && authorization && field.value.starts_with("AWS")) {
        auto parsed = parse_aws_authorization(field.value);
        if (!parsed) {
            return Refusal{Reason::signing, parsed.error().message};
        }
        const StoredSecret* const key = index_.placeholder(parsed->access_key);
        const auto found = std::ranges::find_if(destination_.bindings, [&](const auto* binding) {
            return key != nullptr && index_.of(binding).access_key == key &&
                   binding->location_case() == proto::Binding::kAwsSigv4;
        });
        if (found == destination_.bindings.end()) {
            return key != nullptr ? stray_in("an AWS signature") : foreign_in("the AWS signature");
        }
        if (!usable(*found)) {
            return unbound(**found);
        }
        if (aws_) {
            return Refusal{Reason::signing, "the request is signed twice"};
        }
        auto signing = AwsSigning::examine(head, std::move(*parsed), index_.of(*found));
        if (!signing) {
            return Refusal{Reason::signing, signing.error().message};
        }
        aws_ = std::move(*signing);
        use(*found, *index_.of(*found).secret);
        use(*found, *key);
        return std::nullopt;
    }
    if (aws && field.name == "x-amz-security-token") {
        const bool known = std::ranges::any_of(destination_.bindings, [&](const auto* binding) {
            const StoredSecret* const token = index_.of(binding).session_token;
            return token != nullptr && token->placeholder == field.value;
        });
        if (known) {
            return std::nullopt;  // AwsSigning sets it, or the request is not signed and is refused
        }
    }
    if (const Offer offer = offered(field.value); offer.secret != nullptr) {
        return examine_offer(head, field, offer);
    }
    if (stray(field.value)) {
        return stray_in("header " + field.name);
    }
    if (bound() && !field.value.empty() && (location || is_credential_header(field.name))) {
        return foreign_in("header " + field.name);
    }
    return std::nullopt;
}

std::optional<Refusal> Placement::place_value(const BoundSecret& bound_secret,
                                              std::string_view value, std::string_view where,
                                              std::optional<SecretString>& text) {
    const auto inside = bound_secret.inside(value);
    const StoredSecret* const secret = inside ? index_.placeholder(*inside) : nullptr;
    if (secret == nullptr) {
        if (stray(value)) {
            return stray_in(where);
        }
        return value.empty() ? std::nullopt : std::optional(foreign_in(where));
    }
    if (!index_.serves(bound_secret, secret)) {
        return stray_in(where);
    }
    if (!usable(bound_secret.binding)) {
        return unbound(*bound_secret.binding);
    }
    use(bound_secret.binding, *secret);
    text = bound_secret.formatted(secret->value);
    return std::nullopt;
}

std::optional<Refusal> Placement::examine_query(std::string_view target, const TargetParts& parts) {
    const std::string_view query =
        target.substr(parts.query.begin, parts.query.end - parts.query.begin);
    std::vector<std::string> placed;
    for (const FormField& field : parse_form(query, parts.query.begin)) {
        const auto binding = std::ranges::find_if(destination_.bindings, [&](const auto* one) {
            return one->location_case() == proto::Binding::kQueryKey &&
                   one->query_key() == field.key;
        });
        const std::string where = "query key " + quoted(field.key.substr(0, 64));
        if (bound() && binding != destination_.bindings.end()) {
            if (std::ranges::find(placed, field.key) != placed.end()) {
                return foreign_in(where + ", which is there twice,");
            }
            placed.push_back(field.key);
            std::optional<SecretString> text;
            if (auto refused = place_value(index_.of(*binding), field.value, where, text)) {
                return refused;
            }
            if (text) {
                target_insertions_.push_back({field.raw, percent_encode(text->view())});
            }
        } else if (bound() && is_aws_presigned_key(field.key)) {
            return Refusal{Reason::signing,
                           "presigned AWS requests are not signed again; let the "
                           "client sign with an Authorization header"};
        } else if (bound() && !field.value.empty() && !stray(field.value) &&
                   is_credential_query_key(field.key)) {
            return foreign_in(where);
        }
    }
    return std::nullopt;
}

std::optional<Refusal> Placement::examine_segments(std::string_view target,
                                                   const TargetParts& parts) {
    for (const proto::Binding* const binding : destination_.bindings) {
        if (!bound() || binding->location_case() != proto::Binding::kPathSegment ||
            binding->path_segment() > parts.segments.size()) {
            continue;
        }
        const TextRange place = parts.segments[binding->path_segment() - 1];
        const std::string value =
            percent_decode(target.substr(place.begin, place.end - place.begin));
        const BoundSecret& bound_secret = index_.of(binding);
        // Without a format any word could stand here that is no credential.
        const bool formed = !bound_secret.prefix.empty() && bound_secret.inside(value).has_value();
        const auto inside = bound_secret.inside(value);
        if (!formed && (!inside || index_.placeholder(*inside) == nullptr)) {
            continue;
        }
        std::optional<SecretString> text;
        if (auto refused =
                place_value(bound_secret, value,
                            "path segment " + std::to_string(binding->path_segment()), text)) {
            return refused;
        }
        if (text) {
            target_insertions_.push_back({place, percent_encode(text->view(), "!$&'()*+,;=:@")});
        }
    }
    return std::nullopt;
}

std::optional<Refusal> Placement::examine_target(std::string_view target) {
    const TargetParts parts = split_target(target);
    if (auto refused = examine_segments(target, parts)) {
        return refused;
    }
    if (auto refused = examine_query(target, parts)) {
        return refused;
    }
    if (stray(masked(target, target_insertions_))) {
        return stray_in("the URL");
    }
    return std::nullopt;
}

void Placement::add_missing_headers() {
    for (const proto::Binding* const binding : decision_.bindings) {
        if (!usable(binding) || binding->location_case() != proto::Binding::kHeader ||
            std::ranges::find(replaced_, binding) != replaced_.end() ||
            std::ranges::find(headers_, binding->header(), &HeaderValue::name) != headers_.end()) {
            continue;
        }
        const BoundSecret& bound_secret = index_.of(binding);
        // Several headers for one secret are alternatives: it goes where the guest offered it, else
        // into the first.
        if (std::ranges::find(used_, bound_secret.secret->name) != used_.end()) {
            continue;
        }
        headers_.push_back(
            {binding->header(), header_value(bound_secret, *bound_secret.secret, "")});
        use(binding, *bound_secret.secret);
    }
}

std::optional<Refusal> Placement::examine(const RequestHead& head) {
    if (stray(head.authority) || stray(head.method)) {
        return stray_in("the host's name or the method");
    }
    for (const Field& field : head.fields) {
        if (auto refused = examine_field(head, field)) {
            return refused;
        }
    }
    if (auto refused = examine_target(head.target)) {
        return refused;
    }
    if (!aws_ && bound() && find_field(head.fields, "x-amz-security-token") != nullptr) {
        return Refusal{Reason::signing, "a request with a session token is not signed"};
    }
    add_missing_headers();
    return std::nullopt;
}

}  // namespace anchorhold::proxy
