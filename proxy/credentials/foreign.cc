// The lists, as data; each sorted for a reader.
#include "proxy/credentials/foreign.h"

#include <algorithm>
#include <array>
#include <string>

namespace anchorhold::proxy {

namespace {

constexpr auto kHeaders = std::to_array<std::string_view>({
    "api-key",
    "apikey",
    "authentication",
    "authorization",
    "circle-token",
    "cookie",
    "cookie2",
    "dd-api-key",
    "dd-application-key",
    "deploy-token",
    "job-token",
    "ocp-apim-subscription-key",
    "private-token",
    "proxy-authorization",
    "x-access-token",
    "x-amz-s3session-token",
    "x-amz-security-token",
    "x-api-key",
    "x-api-token",
    "x-auth-key",
    "x-auth-token",
    "x-authorization",
    "x-client-secret",
    "x-consul-token",
    "x-figma-token",
    "x-functions-key",
    "x-github-token",
    "x-gitlab-token",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "x-jfrog-art-api",
    "x-nomad-token",
    "x-rapidapi-key",
    "x-shopify-access-token",
    "x-subscription-token",
    "x-vault-token",
    "xi-api-key",
});

constexpr auto kQueryKeys = std::to_array<std::string_view>({
    "access_key",
    "access_token",
    "accesskey",
    "api-key",
    "api_key",
    "api_token",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "awsaccesskeyid",
    "bearer_token",
    "client_secret",
    "googleaccessid",
    "id_token",
    "jwt",
    "key",
    "oauth_token",
    "password",
    "private_token",
    "refresh_token",
    "secret",
    "secret_key",
    "session_token",
    "sig",
    "signature",
    "subscription-key",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-api-key",
    "x-goog-credential",
    "x-goog-signature",
});

constexpr auto kPresignedKeys = std::to_array<std::string_view>({
    "awsaccesskeyid",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
});

bool contains(const auto& list, std::string_view name) {
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(), [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    });
    return std::ranges::find(list, lower) != list.end();
}

}  // namespace

bool is_credential_header(std::string_view name) {
    return std::ranges::find(kHeaders, name) != kHeaders.end();
}

bool is_credential_query_key(std::string_view key) {
    return contains(kQueryKeys, key);
}

bool is_aws_presigned_key(std::string_view key) {
    return contains(kPresignedKeys, key);
}

}  // namespace anchorhold::proxy
