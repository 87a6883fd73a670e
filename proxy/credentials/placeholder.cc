// Shapes of placeholders, and the search for them.
#include "proxy/credentials/placeholder.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {

namespace {

// What well-known services begin their credentials with; clients check it. Longer ones first.
constexpr auto kPrefixes = std::to_array<std::string_view>({
    "pypi-AgEIcHlwaS5vcmc",
    "pypi-AgENdGVzdC5weXBpLm9yZw",
    "sk-ant-api03-",
    "sk-ant-admin01-",
    "sk-ant-oat01-",
    "sk-svcacct-",
    "sk-admin-",
    "sk-proj-",
    "sk-or-v1-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "github_pat_",
    "dckr_pat_",
    "dop_v1_",
    "lin_api_",
    "secret_",
    "glpat-",
    "nvapi-",
    "tvly-",
    "pplx-",
    "pypi-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "npm_",
    "gsk_",
    "ntn_",
    "xai-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "hvs.",
    "SG.",
    "hf_",
    "r8_",
    "sk-",
});

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLowerHex = "0123456789abcdef";
constexpr std::string_view kUpperHex = "0123456789ABCDEF";
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::string_view kUpperDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::string_view kLowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kLettersDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

struct Alphabet {
    std::string_view letters;
    std::string_view marker;
};

constexpr auto kAlphabets = std::to_array<Alphabet>({
    {kDigits, ""},
    {kLowerHex, "a2c402401d"},
    {kUpperHex, "A2C402401D"},
    {kBase32, "ANCHORHOLD"},
    {kUpperDigits, "ANCHORHOLD"},
    {kLowerDigits, "anchorhold"},
    {kLettersDigits, "anchorhold"},
});

// Under ten characters of marker and six of chance there is no room for both.
constexpr size_t kMinBody = 16;
// Enough of a placeholder to know it by: the longest prefix, the marker and 64 bits of chance.
constexpr size_t kKnownBy = 48;
constexpr size_t kMaxShape = 64;

std::string_view prefix_of(std::string_view secret) {
    const auto found = std::ranges::find_if(
        kPrefixes, [&](std::string_view prefix) { return secret.starts_with(prefix); });
    return found == kPrefixes.end() ? std::string_view{} : *found;
}

const Alphabet& alphabet_of(std::string_view body) {
    const auto fits = [&](const Alphabet& alphabet) {
        return body.find_first_not_of(alphabet.letters) == std::string_view::npos;
    };
    const auto found = std::ranges::find_if(kAlphabets, fits);
    return body.empty() || found == kAlphabets.end() ? kAlphabets.back() : *found;
}

std::string random_text(std::string_view letters, size_t size) {
    std::string out;
    std::array<unsigned char, 64> bytes{};
    // Values beyond the last whole multiple would favour the first letters.
    const size_t fair = 256 / letters.size() * letters.size();
    while (out.size() < size) {
        ANCHORHOLD_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
        for (const unsigned char byte : bytes) {
            if (byte < fair && out.size() < size) {
                out.push_back(letters[byte % letters.size()]);
            }
        }
    }
    return out;
}

// RFC 9562 §4: 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view text) {
    if (text.size() != 36) {
        return false;
    }
    for (size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : hex_digit(text[i]) < 0) {
            return false;
        }
    }
    return true;
}

std::string uuid_placeholder() {
    std::string digits = "a2c402401d" + random_text(kLowerHex, 22);
    digits[12] = '4';
    digits[16] = '8';
    for (const size_t dash : {8U, 13U, 18U, 23U}) {
        digits.insert(dash, 1, '-');
    }
    return digits;
}

// A percent-escape of a character that no encoder of text would have escaped.
bool is_needless_percent(std::string_view text, size_t at) {
    if (at + 2 >= text.size()) {
        return false;
    }
    const int high = hex_digit(text[at + 1]);
    const int low = hex_digit(text[at + 2]);
    return high >= 0 && low >= 0 && is_unreserved(static_cast<char>(high * 16 + low));
}

bool is_needless_unicode(std::string_view text, size_t at) {
    return text.substr(at).starts_with("\\u00");
}

// Only what stands around such an escape is decoded: binary bodies have some by chance.
bool found_decoded(const PatternSet& patterns, std::string_view text, char mark,
                   bool (*needless)(std::string_view, size_t),
                   std::string (*decode)(std::string_view)) {
    const size_t reach = patterns.longest() * 3;
    size_t at = text.find(mark);
    while (at != std::string_view::npos) {
        size_t next = at + 1;
        if (needless(text, at)) {
            const size_t begin = at - std::min(at, reach);
            if (patterns.find(decode(text.substr(begin, 3 * reach)))) {
                return true;
            }
            next = std::min(begin + 2 * reach, text.size());
        }
        at = text.find(mark, next);
    }
    return false;
}

std::string decode_percent(std::string_view text) {
    return percent_decode(text);
}

}  // namespace

std::string make_placeholder(std::string_view secret, std::string_view shape) {
    if (shape.empty() && is_uuid(secret)) {
        return uuid_placeholder();
    }
    const std::string_view prefix = shape.empty() ? prefix_of(secret) : shape.substr(0, kMaxShape);
    const std::string_view body = secret.substr(
        std::min(secret.starts_with(prefix) ? prefix.size() : size_t{0}, secret.size()));
    const Alphabet& alphabet = alphabet_of(body);
    const size_t size = std::max(kMinBody, secret.size() - std::min(secret.size(), prefix.size()));
    std::string out(prefix);
    out += alphabet.marker;
    out += random_text(alphabet.letters, size - alphabet.marker.size());
    return out;
}

void add_placeholder_forms(PatternSet& patterns, std::string_view placeholder, uint32_t tag) {
    placeholder = placeholder.substr(0, kKnownBy);
    patterns.add(SecretString(placeholder), tag);
    for (size_t alignment = 0; alignment < 3; ++alignment) {
        patterns.add(base64_core(placeholder, alignment, Base64::standard), tag);
        patterns.add(base64_core(placeholder, alignment, Base64::url), tag);
    }
    patterns.add(hex_encode(placeholder, HexCase::lower), tag);
    patterns.add(hex_encode(placeholder, HexCase::upper), tag);
}

PlaceholderScan::PlaceholderScan(std::shared_ptr<const PatternSet> patterns)
    : patterns_(std::move(patterns)) {}

bool PlaceholderScan::contains(const PatternSet& patterns, std::string_view text) {
    if (patterns.empty()) {
        return false;
    }
    return patterns.find(text).has_value() ||
           found_decoded(patterns, text, '%', is_needless_percent, decode_percent) ||
           found_decoded(patterns, text, '\\', is_needless_unicode, json_unescape);
}

bool PlaceholderScan::piece(std::string_view text) {
    if (patterns_->empty()) {
        return false;
    }
    // Hexadecimal doubles a placeholder and JSON's longest escape takes six bytes for one.
    const size_t reach = patterns_->longest() * 3;
    if (contains(*patterns_, text)) {
        return true;
    }
    const std::string seam = tail_ + std::string(text.substr(0, reach));
    if (!tail_.empty() && contains(*patterns_, seam)) {
        return true;
    }
    if (text.size() >= reach) {
        tail_ = text.substr(text.size() - reach);
    } else {
        tail_ += text;
        tail_.erase(0, tail_.size() - std::min(tail_.size(), reach));
    }
    return false;
}

}  // namespace anchorhold::proxy
