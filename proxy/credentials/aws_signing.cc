// Checks of the scope, and the order in which fields are set before they are signed.
#include "proxy/credentials/aws_signing.h"

#include <algorithm>
#include <array>
#include <utility>

namespace anchorhold::proxy {

namespace {

constexpr std::string_view kDigestField = "x-amz-content-sha256";
constexpr std::string_view kTokenField = "x-amz-security-token";

constexpr auto kPayloads = std::to_array<std::pair<std::string_view, AwsPayload>>({
    {"UNSIGNED-PAYLOAD", AwsPayload::unsigned_body},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", AwsPayload::unsigned_body},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", AwsPayload::chunks},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", AwsPayload::chunks_trailer},
});

// "20130524T000000Z" of that day.
bool is_date_time(std::string_view text, std::string_view day) {
    return text.size() == 16 && text.starts_with(day) && text[8] == 'T' && text[15] == 'Z' &&
           text.substr(9, 6).find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_digest(std::string_view text) {
    return text.size() == 64 &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void set_field(RequestHead& head, std::string_view name, std::string_view value) {
    std::erase_if(head.fields, [&](const Field& field) { return field.name == name; });
    head.fields.push_back(Field{std::string(name), std::string(value), true});
}

size_t count_fields(const RequestHead& head, std::string_view name) {
    return static_cast<size_t>(std::ranges::count(head.fields, name, &Field::name));
}

}  // namespace

AwsSigning::AwsSigning(AwsAuthorization authorization, const BoundSecret& bound, AwsPayload payload,
                       std::string date_time)
    : authorization_(std::move(authorization)),
      bound_(&bound),
      payload_(payload),
      date_time_(std::move(date_time)) {}

std::optional<AwsPayload> AwsSigning::payload_of(const RequestHead& head) {
    const Field* const field = find_field(head.fields, kDigestField);
    if (field == nullptr) {
        return AwsPayload::absent;
    }
    if (count_fields(head, kDigestField) != 1) {
        return std::nullopt;
    }
    if (is_digest(field->value)) {
        return AwsPayload::digest;
    }
    const auto known = std::ranges::find(kPayloads, field->value,
                                         [](const auto& pair) { return std::string(pair.first); });
    return known == kPayloads.end() ? std::nullopt : std::optional(known->second);
}

Result<AwsSigning> AwsSigning::examine(const RequestHead& head, AwsAuthorization authorization,
                                       const BoundSecret& bound) {
    const proto::AwsSigV4& pinned = bound.binding->aws_sigv4();
    if (authorization.region != pinned.region() || authorization.service != pinned.service()) {
        return fail("the signature is for " + authorization.service + " in " +
                    authorization.region + "; the binding is for " + pinned.service() + " in " +
                    pinned.region());
    }
    const Field* const date = find_field(head.fields, "x-amz-date");
    if (date == nullptr || count_fields(head, "x-amz-date") != 1 ||
        !is_date_time(date->value, authorization.date)) {
        return fail("the request needs one x-amz-date on the day of its signature");
    }
    const auto payload = payload_of(head);
    if (!payload) {
        return fail("the request's x-amz-content-sha256 is not one that can be signed again");
    }
    return AwsSigning(std::move(authorization), bound, *payload, date->value);
}

Result<std::optional<AwsChunkSigner>> AwsSigning::sign(RequestHead& head,
                                                       std::optional<uint64_t> content_length,
                                                       std::string_view body) const {
    std::erase_if(head.fields, [](const Field& field) { return field.name == "authorization"; });
    if (bound_->session_token != nullptr) {
        set_field(head, kTokenField, bound_->session_token->value);
    }
    const Field* const digest = find_field(head.fields, kDigestField);
    const std::string payload_hash = digest == nullptr ? sha256_hex(body) : digest->value;
    const AwsRequest request{head, content_length, payload_hash};
    const auto names = aws_signed_headers(request, authorization_.signed_headers);
    const std::string scope = authorization_.scope();
    AwsSigningKey key(bound_->secret->value, authorization_);
    std::string canonical =
        ANCHORHOLD_TRY(aws_canonical_request(request, authorization_.service, names));
    std::string signature = key.sign(aws_string_to_sign(date_time_, scope, canonical));
    wipe(canonical);
    std::string value = "AWS4-HMAC-SHA256 Credential=";
    value.append(bound_->access_key->value).append("/").append(scope).append(", SignedHeaders=");
    for (size_t i = 0; i < names.size(); ++i) {
        value.append(i == 0 ? "" : ";").append(names[i]);
    }
    value.append(", Signature=").append(signature);
    set_field(head, "authorization", value);
    wipe(value);
    std::optional<AwsChunkSigner> chunks;
    if (payload_ == AwsPayload::chunks || payload_ == AwsPayload::chunks_trailer) {
        chunks.emplace(std::move(key), date_time_, scope, std::move(signature),
                       payload_ == AwsPayload::chunks ? AwsTrailer::none : AwsTrailer::signed_);
    }
    return chunks;
}

}  // namespace anchorhold::proxy
