// The forms of a secret, and their replacement in a stream.
#include "proxy/credentials/scrub.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {

namespace {

constexpr size_t kMaxScrubbed = 4096;  // bytes; a longer secret is a file, not a token
constexpr size_t kMaxAllForms = 512;   // longer ones in their likely forms only

using Encode = std::function<SecretString(std::string_view)>;

void add_form(ScrubForms& forms, const StoredSecret& secret, const Encode& encode) {
    SecretString pattern = encode(secret.value);
    const SecretString same = encode(secret.placeholder);
    std::string replacement =
        same.size() == pattern.size() ? std::string(same.view()) : std::string(pattern.size(), '*');
    forms.patterns.add(std::move(pattern), static_cast<uint32_t>(forms.replacements.size()));
    forms.replacements.push_back(std::move(replacement));
}

// As templates and JSON writers escape for HTML.
SecretString html_escape(std::string_view text) {
    SecretString out;
    for (const char byte : text) {
        switch (byte) {
            case '&':
                out.append("&amp;");
                break;
            case '<':
                out.append("&lt;");
                break;
            case '>':
                out.append("&gt;");
                break;
            case '"':
                out.append("&quot;");
                break;
            case '\'':
                out.append("&#39;");
                break;
            default:
                out.push_back(byte);
        }
    }
    return out;
}

// JSON writers differ over what they escape beyond what they must.
SecretString json_escape_more(std::string_view text, std::string_view more) {
    SecretString out;
    for (const char byte : text) {
        if (more.find(byte) == std::string_view::npos) {
            out.append(json_escape({&byte, 1}).view());
        } else if (byte == '/') {
            out.append("\\/");
        } else {
            out.append("\\u00");
            out.append(hex_encode({&byte, 1}).view());
        }
    }
    return out;
}

}  // namespace

void add_scrub_forms(ScrubForms& forms, const StoredSecret& secret) {
    if (secret.value.size() < PatternSet::kMinPattern || secret.value.size() > kMaxScrubbed) {
        return;
    }
    const auto add = [&](const Encode& encode) { add_form(forms, secret, encode); };
    add([](std::string_view text) { return SecretString(text); });
    for (const Base64 alphabet : {Base64::standard, Base64::url}) {
        for (size_t alignment = 0; alignment < 3; ++alignment) {
            add([=](std::string_view text) { return base64_core(text, alignment, alphabet); });
        }
    }
    if (secret.value.size() > kMaxAllForms) {
        return;
    }
    for (const HexCase letters : {HexCase::lower, HexCase::upper}) {
        add([=](std::string_view text) { return hex_encode(text, letters); });
        for (const std::string_view kept : {"", "/", "!'()*", "/:@!$&'()*+,;="}) {
            add([=](std::string_view text) { return percent_encode(text, kept, letters); });
        }
    }
    add(json_escape);
    add([](std::string_view text) { return json_escape_more(text, "/"); });
    add([](std::string_view text) { return json_escape_more(text, "<>&"); });
    add([](std::string_view text) { return json_escape_more(text, "<>&'"); });
    add(html_escape);
}

Scrubber::Scrubber(std::shared_ptr<const ScrubForms> forms) : forms_(std::move(forms)) {}

void Scrubber::replace(std::string& text) {
    size_t from = 0;
    while (const auto match = forms_->patterns.find(text, from)) {
        const std::string& replacement = forms_->replacements[forms_->patterns.tag(match->pattern)];
        std::ranges::copy(replacement, text.begin() + static_cast<ptrdiff_t>(match->position));
        from = match->position + replacement.size();
        ++replaced_;
    }
}

void Scrubber::piece(std::string& text) {
    if (forms_->patterns.empty()) {
        return;
    }
    if (!held_.empty()) {
        held_ += text;
        text.swap(held_);
        wipe(held_);
    }
    replace(text);
    const size_t open = forms_->patterns.open_tail(text);
    if (open != 0) {
        held_.assign(text, text.size() - open);
        text.resize(text.size() - open);
    }
}

std::string Scrubber::finish() {
    return std::exchange(held_, {});
}

void Scrubber::whole(std::string& text) {
    replace(text);
}

void Scrubber::fields(Fields& fields) {
    for (Field& field : fields) {
        replace(field.value);
    }
}

}  // namespace anchorhold::proxy
