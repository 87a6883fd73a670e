// Canonical requests, keys and signatures.
#include "proxy/credentials/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "proxy/credentials/encodings.h"
#include "proxy/credentials/form_text.h"

namespace anchorhold::proxy {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string_view bytes_of(const std::array<unsigned char, 32>& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::array<unsigned char, 32> hmac(std::string_view key, std::string_view text) {
    std::array<unsigned char, 32> out{};
    unsigned size = out.size();
    ANCHORHOLD_CHECK(::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                            out.data(), &size) != nullptr);
    return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (size_t start = 0; start <= text.size();) {
        const size_t end = std::min(text.find(separator, start), text.size());
        parts.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return parts;
}

bool is_word(std::string_view text, std::string_view more) {
    return !text.empty() && std::ranges::all_of(text, [&](char byte) {
        return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
               more.find(byte) != std::string_view::npos;
    });
}

// "Trimall": no spaces around, one between.
void append_trimmed(std::string& out, std::string_view value) {
    const size_t start = out.size();
    for (const char byte : value) {
        const bool space = byte == ' ' || byte == '\t';
        if (!space) {
            out.push_back(byte);
        } else if (out.size() != start && out.back() != ' ') {
            out.push_back(' ');
        }
    }
    if (out.size() != start && out.back() == ' ') {
        out.pop_back();
    }
}

bool has_field(const AwsRequest& request, std::string_view name) {
    return name == "host" || find_field(request.head.fields, name) != nullptr ||
           (name == "content-length" && request.content_length.has_value());
}

void append_header(std::string& out, const AwsRequest& request, std::string_view name) {
    out += name;
    out.push_back(':');
    if (name == "host") {
        append_trimmed(out, request.head.authority);
    } else if (name == "content-length" && request.content_length) {
        out += std::to_string(*request.content_length);
    } else {
        bool first = true;
        for (const Field& field : request.head.fields) {
            if (field.name == name) {
                if (!std::exchange(first, false)) {
                    out.push_back(',');
                }
                append_trimmed(out, field.value);
            }
        }
    }
    out.push_back('\n');
}

std::string canonical_path(std::string_view path, std::string_view service) {
    if (service == "s3" || service == "s3-object-lambda" || service == "s3-outposts") {
        return std::string(percent_encode(percent_decode(path), "/").view());
    }
    return std::string(percent_encode(path, "/").view());
}

Result<std::string> canonical_query(std::string_view query) {
    if (query.find('+') != std::string_view::npos) {
        return fail("a + in the query could be a space or itself; write %2B or %20");
    }
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const FormField& field : parse_form(query)) {
        pairs.emplace_back(percent_encode(field.key).view(), percent_encode(field.value).view());
    }
    std::ranges::sort(pairs);
    std::string out;
    for (const auto& [key, value] : pairs) {
        out += (out.empty() ? "" : "&") + key + "=" + value;
    }
    return out;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, 32> digest{};
    ::SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
    return std::string(hex_encode(bytes_of(digest)).view());
}

Result<AwsAuthorization> parse_aws_authorization(std::string_view value) {
    if (!value.starts_with(kAlgorithm) || !value.substr(kAlgorithm.size()).starts_with(' ')) {
        return fail("only AWS4-HMAC-SHA256 signatures can be made again");
    }
    AwsAuthorization found;
    bool signature = false;
    for (std::string_view part : split(value.substr(kAlgorithm.size()), ',')) {
        part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
        const size_t equals = std::min(part.find('='), part.size());
        const std::string_view key = part.substr(0, equals);
        const std::string_view text = part.substr(std::min(equals + 1, part.size()));
        if (key == "Credential" && found.access_key.empty()) {
            const auto scope = split(text, '/');
            if (scope.size() != 5 || scope[0].empty() || scope[4] != "aws4_request" ||
                scope[1].size() != 8 ||
                scope[1].find_first_not_of("0123456789") != std::string_view::npos ||
                !is_word(scope[2], "-") || !is_word(scope[3], "-._")) {
                return fail(
                    "the signature's Credential is not KEY/DATE/REGION/SERVICE/aws4_request");
            }
            found.access_key = scope[0];
            found.date = scope[1];
            found.region = scope[2];
            found.service = scope[3];
        } else if (key == "SignedHeaders" && found.signed_headers.empty()) {
            for (const std::string_view name : split(text, ';')) {
                if (!is_word(name, "-_.!#$%&'*+^`|~")) {
                    return fail("the signature's SignedHeaders are not names in lower case");
                }
                found.signed_headers.emplace_back(name);
            }
        } else if (key == "Signature" && !signature) {
            signature = true;
        } else {
            return fail("the signature's Authorization has a part that is not known");
        }
    }
    if (found.access_key.empty() || found.signed_headers.empty() || !signature) {
        return fail("the signature's Authorization lacks a part");
    }
    return found;
}

AwsSigningKey::AwsSigningKey(std::string_view secret_key, const AwsAuthorization& scope) {
    SecretString first("AWS4");
    first.append(secret_key);
    key_ = hmac(first.view(), scope.date);
    for (const std::string_view next :
         {std::string_view(scope.region), std::string_view(scope.service),
          std::string_view("aws4_request")}) {
        std::array<unsigned char, 32> derived = hmac(bytes_of(key_), next);
        key_ = derived;
        OPENSSL_cleanse(derived.data(), derived.size());
    }
}

AwsSigningKey::AwsSigningKey(AwsSigningKey&& other) noexcept : key_(other.key_) {
    OPENSSL_cleanse(other.key_.data(), other.key_.size());
}

AwsSigningKey::~AwsSigningKey() {
    OPENSSL_cleanse(key_.data(), key_.size());
}

std::string AwsSigningKey::sign(std::string_view string_to_sign) const {
    return std::string(hex_encode(bytes_of(hmac(bytes_of(key_), string_to_sign))).view());
}

std::vector<std::string> aws_signed_headers(const AwsRequest& request,
                                            const std::vector<std::string>& listed) {
    std::vector<std::string> names{"host"};
    for (const std::string& name : listed) {
        if (name != "authorization" && has_field(request, name)) {
            names.push_back(name);
        }
    }
    for (const Field& field : request.head.fields) {
        if (field.name.starts_with("x-amz-")) {
            names.push_back(field.name);
        }
    }
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

Result<std::string> aws_canonical_request(const AwsRequest& request, std::string_view service,
                                          const std::vector<std::string>& signed_headers) {
    const std::string_view target = request.head.target;
    const size_t mark = std::min(target.find('?'), target.size());
    std::string out = request.head.method + "\n" + canonical_path(target.substr(0, mark), service);
    out += "\n";
    out += ANCHORHOLD_TRY(canonical_query(target.substr(std::min(mark + 1, target.size()))));
    out += "\n";
    std::string names;
    for (const std::string& name : signed_headers) {
        append_header(out, request, name);
        names += (names.empty() ? "" : ";") + name;
    }
    out += "\n" + names + "\n";
    out += request.payload_hash;
    return out;
}

std::string aws_string_to_sign(std::string_view date_time, std::string_view scope,
                               std::string_view canonical_request) {
    std::string out(kAlgorithm);
    out += "\n";
    out += date_time;
    out += "\n";
    out += scope;
    return out + "\n" + sha256_hex(canonical_request);
}

}  // namespace anchorhold::proxy
