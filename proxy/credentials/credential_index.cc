// Checking bindings against the store, and keeping what was captured.
#include "proxy/credentials/credential_index.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "policy/host_name.h"

namespace anchorhold::proxy {

namespace {

constexpr std::string_view kMinted = "/minted/";
constexpr std::string_view kHref = "/href/";
// A captured credential crosses to the supervisor in one packet of 4 KiB, with its name and
// placeholder.
constexpr size_t kMaxCapturedSize = 2560;
constexpr size_t kMaxCapturedPlaceholder = 512;
constexpr size_t kMaxCapturedName = 640;

// A field value that no reader can take for two (RFC 9110 §5.5).
bool fits_header(std::string_view value) {
    return std::ranges::all_of(
        value, [](char byte) { return static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7f; });
}

const proto::Binding* binding_of(const proto::ResolvedPolicy& policy, std::string_view id) {
    for (const proto::Binding& binding : policy.bindings()) {
        if (binding.id() == id) {
            return &binding;
        }
    }
    return nullptr;
}

}  // namespace

std::optional<Href> Href::parse(std::string_view url) {
    constexpr std::string_view kScheme = "https://";
    if (!url.starts_with(kScheme)) {
        return std::nullopt;
    }
    url.remove_prefix(kScheme.size());
    const size_t slash = std::min(url.find('/'), url.size());
    const auto authority = policy::parse_authority(url.substr(0, slash));
    if (!authority) {
        return std::nullopt;
    }
    const std::string_view path = url.substr(slash);
    Href href;
    href.host = authority->host;
    href.port = authority->port == 0 ? uint16_t{443} : authority->port;
    href.path = path.empty() ? "/" : std::string(path.substr(0, path.find_first_of("?#")));
    return href;
}

std::string Href::text() const {
    return "https://" + host + ":" + std::to_string(port) + path;
}

bool Href::covers(const Destination& destination, std::string_view target) const {
    const std::string_view asked = target.substr(0, target.find('?'));
    return destination.host == host && destination.port == port &&
           destination.protocol == proto::HTTPS &&
           (path.ends_with('/') ? asked.starts_with(path) : asked == path);
}

SecretString BoundSecret::formatted(std::string_view secret_value) const {
    SecretString out;
    out.reserve(prefix.size() + secret_value.size() + suffix.size());
    out.append(prefix);
    out.append(secret_value);
    out.append(suffix);
    return out;
}

std::optional<std::string_view> BoundSecret::inside(std::string_view value) const {
    if (value.size() < prefix.size() + suffix.size() || !value.starts_with(prefix) ||
        !value.ends_with(suffix)) {
        return std::nullopt;
    }
    return value.substr(prefix.size(), value.size() - prefix.size() - suffix.size());
}

Status Credentials::Index::bind(const proto::Binding& binding) {
    const auto wrong = [&](const std::string& what) {
        return fail("binding " + binding.id() + ": " + what);
    };
    const auto need = [&](const std::string& name) -> Result<const StoredSecret*> {
        const StoredSecret* const secret = store.find(name);
        if (secret == nullptr || secret->value.empty()) {
            return wrong("there is no secret " + name);
        }
        return secret;
    };
    BoundSecret made;
    made.binding = &binding;
    made.secret = ANCHORHOLD_TRY(need(binding.secret()));
    if (!binding.format().empty()) {
        const size_t hole = binding.format().find("{}");
        if (hole == std::string::npos ||
            binding.format().find("{}", hole + 2) != std::string::npos) {
            return wrong("its format must have {} once, where the secret goes");
        }
        made.prefix = binding.format().substr(0, hole);
        made.suffix = binding.format().substr(hole + 2);
    }
    switch (binding.location_case()) {
        case proto::Binding::kHeader:
            if (!fits_header(made.formatted(made.secret->value).view()) ||
                !fits_header(binding.user()) || binding.user().find(':') != std::string::npos) {
                return wrong("secret " + binding.secret() +
                             " or its user has a control character and cannot stand in a header");
            }
            break;
        case proto::Binding::kJsonPointer:
            made.pointer = ANCHORHOLD_TRY(parse_json_pointer(binding.json_pointer()));
            break;
        case proto::Binding::kPathSegment:
            if (binding.path_segment() == 0 || made.secret->value == "." ||
                made.secret->value == "..") {
                return wrong("path segments count from 1");
            }
            break;
        case proto::Binding::kAwsSigv4:
            made.access_key = ANCHORHOLD_TRY(need(binding.aws_sigv4().access_key_secret()));
            if (!binding.aws_sigv4().session_token_secret().empty()) {
                made.session_token =
                    ANCHORHOLD_TRY(need(binding.aws_sigv4().session_token_secret()));
            }
            if (!fits_header(made.access_key->value) ||
                (made.session_token != nullptr && !fits_header(made.session_token->value))) {
                return wrong("an AWS key has a control character");
            }
            break;
        case proto::Binding::kClientCertificate:
            made.certificate =
                ANCHORHOLD_TRY(need(binding.client_certificate().certificate_secret()));
            break;
        case proto::Binding::kQueryKey:
        case proto::Binding::kFormField:
            break;
        case proto::Binding::LOCATION_NOT_SET:
            return wrong("it has no location");
    }
    for (const proto::Mint& mint : binding.mints()) {
        for (const std::string& field : mint.fields()) {
            made.mint_fields.push_back(ANCHORHOLD_TRY(parse_json_pointer(field)));
        }
    }
    bound.emplace(&binding, std::move(made));
    return {};
}

void Credentials::Index::recall() {
    for (const auto& secret : store.all()) {
        const std::string_view name = secret->name;
        for (const std::string_view word : {kMinted, kHref}) {
            const size_t at = name.find(word);
            if (at == std::string_view::npos) {
                continue;
            }
            const std::string_view rest = name.substr(at + word.size());
            const size_t digits = std::min(rest.find('/'), rest.size());
            uint64_t number = 0;
            std::from_chars(rest.data(), rest.data() + digits, number);
            next_captured = std::max(next_captured, number + 1);
            Captured known{secret.get(), binding_of(*policy, name.substr(0, at)), std::nullopt};
            if (word == kHref) {
                known.href = Href::parse(rest.substr(std::min(digits + 1, rest.size())));
            }
            if (known.binding != nullptr && (word == kMinted || known.href)) {
                captured.push_back(std::move(known));
            }
            break;
        }
    }
}

void Credentials::Index::rebuild() {
    auto found = std::make_shared<PatternSet>();
    auto scrubbed = std::make_shared<ScrubForms>();
    by_placeholder.clear();
    for (const auto& secret : store.all()) {
        if (!secret->placeholder.empty()) {
            by_placeholder.emplace(secret->placeholder, secret.get());
            add_placeholder_forms(*found, secret->placeholder, 0);
        }
        add_scrub_forms(*scrubbed, *secret);
    }
    found->build();
    scrubbed->patterns.build();
    placeholders = std::move(found);
    reflections = std::move(scrubbed);
}

const BoundSecret& Credentials::Index::of(const proto::Binding* binding) const {
    const auto found = bound.find(binding);
    ANCHORHOLD_CHECK(found != bound.end());
    return found->second;
}

const StoredSecret* Credentials::Index::placeholder(std::string_view text) const {
    const auto found = by_placeholder.find(text);
    return found == by_placeholder.end() ? nullptr : found->second;
}

const Captured* Credentials::Index::captured_as(const StoredSecret* secret) const {
    const auto found = std::ranges::find(captured, secret, &Captured::secret);
    return found == captured.end() ? nullptr : &*found;
}

bool Credentials::Index::serves(const BoundSecret& bound_secret, const StoredSecret* secret) const {
    if (bound_secret.secret == secret) {
        return true;
    }
    const Captured* const known = captured_as(secret);
    return known != nullptr && known->binding == bound_secret.binding && !known->href;
}

Result<const StoredSecret*> Credentials::Index::capture(const proto::Binding& binding,
                                                        std::string_view value,
                                                        const std::optional<Href>& href) {
    const auto same = [&](const Captured& known) {
        return known.binding == &binding && known.secret->value == value &&
               known.href.has_value() == href.has_value() &&
               (!href || known.href->text() == href->text());
    };
    if (const auto known = std::ranges::find_if(captured, same); known != captured.end()) {
        return known->secret;
    }
    if (value.size() > kMaxCapturedSize || !fits_header(value)) {
        return fail("an answer's credential is too long or has a control character");
    }
    const std::string number = std::to_string(next_captured++);
    const std::string name = href ? binding.id() + std::string(kHref) + number + "/" + href->text()
                                  : binding.id() + std::string(kMinted) + number;
    if (name.size() > kMaxCapturedName) {
        return fail("an answer's credential is for a link that is too long");
    }
    if (captured.size() >= kMaxCaptured) {
        forget_oldest();
    }
    ANCHORHOLD_TRY(
        store.add(name, value, make_placeholder(value.substr(0, kMaxCapturedPlaceholder))));
    captured.push_back(Captured{store.find(name), &binding, href});
    return captured.back().secret;
}

void Credentials::Index::forget_oldest() {
    // Links expire within minutes; tokens may be needed for longer.
    auto oldest = std::ranges::find_if(
        captured, [](const Captured& known) { return known.href.has_value(); });
    if (oldest == captured.end()) {
        oldest = captured.begin();
    }
    const std::string name = oldest->secret->name;
    by_placeholder.erase(oldest->secret->placeholder);
    captured.erase(oldest);
    store.remove(name);
}

}  // namespace anchorhold::proxy
