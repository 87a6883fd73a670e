// The table, one line an endpoint.
#include "proxy/credentials/mint_endpoints.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/check.h"
#include "policy/path_pattern.h"
#include "proxy/credentials/form_text.h"

namespace anchorhold::proxy {

namespace {

struct Endpoint {
    std::string_view host;    // a name, ".suffix", or empty: any
    std::string_view method;  // empty: any
    std::string_view path;    // policy/path_pattern.h
};

constexpr auto kEndpoints = std::to_array<Endpoint>({
    // OAuth 2.0 (RFC 6749 §3.2, RFC 8628 §3.1) under the paths that servers use for it.
    {"", "", "/oauth/token"},
    {"", "", "/oauth/*/token"},
    {"", "", "/oauth2/token"},
    {"", "", "/oauth2/*/token"},
    {"", "", "/oauth2/*/*/token"},
    {"", "", "/*/oauth2/token"},
    {"", "", "/*/oauth2/v2.0/token"},
    {"", "", "/oauth/access_token"},
    {"", "", "/login/oauth/access_token"},
    {"", "", "/login/device/code"},
    {"", "", "/connect/token"},
    {"", "", "/realms/*/protocol/openid-connect/token"},
    {"oauth2.googleapis.com", "", "/**"},
    {"accounts.google.com", "", "/o/oauth2/**"},
    {"iamcredentials.googleapis.com", "POST", "/**"},
    {"sts.googleapis.com", "", "/**"},
    // GitHub and its enterprise server (below /api/v3).
    {"", "POST", "/app/installations/*/access_tokens"},
    {"", "POST", "/api/v3/app/installations/*/access_tokens"},
    {"", "POST", "/repos/*/*/actions/runners/*-token"},
    {"", "POST", "/orgs/*/actions/runners/*-token"},
    {"", "POST", "/repos/*/*/keys"},
    {"", "POST", "/user/keys"},
    {"", "POST", "/user/gpg_keys"},
    {"api.github.com", "", "/applications/*/token/**"},
    {"api.github.com", "POST", "/authorizations"},
    // GitLab.
    {"", "POST", "/api/v4/*/*/access_tokens/**"},
    {"", "POST", "/api/v4/users/*/personal_access_tokens"},
    {"", "POST", "/api/v4/personal_access_tokens/**"},
    {"", "POST", "/api/v4/*/*/deploy_tokens"},
    {"", "POST", "/api/v4/*/*/deploy_keys"},
    {"", "POST", "/api/v4/user/keys"},
    // Model providers.
    {"api.openai.com", "POST", "/v1/organization/admin_api_keys"},
    {"api.openai.com", "POST", "/v1/organization/projects/*/service_accounts"},
    {"api.openai.com", "POST", "/v1/realtime/sessions"},
    {"api.openai.com", "POST", "/v1/realtime/transcription_sessions"},
    {"api.openai.com", "POST", "/v1/realtime/client_secrets"},
    {"api.openai.com", "POST", "/v1/chatkit/sessions"},
    {"api.anthropic.com", "POST", "/v1/oauth/**"},
    {"openrouter.ai", "POST", "/api/v1/keys/**"},
    // Registries.
    {"registry.npmjs.org", "POST", "/-/npm/v1/tokens"},
    {"registry.npmjs.org", "", "/-/user/**"},
    {"registry.npmjs.org", "", "/-/v1/login/**"},
    {"registry.npmjs.org", "POST", "/-/npm/v1/oidc/**"},
    {"pypi.org", "", "/_/oidc/**"},
    {"test.pypi.org", "", "/_/oidc/**"},
    {"auth.docker.io", "", "/token"},
    {"hub.docker.com", "POST", "/v2/users/login"},
    {"hub.docker.com", "POST", "/v2/auth/token"},
    {"hub.docker.com", "POST", "/v2/access-tokens"},
    {"ghcr.io", "", "/token"},
    {"", "", "/v2/token"},
    {"huggingface.co", "POST", "/api/token/**"},
    // Others.
    {"slack.com", "", "/api/oauth.access"},
    {"slack.com", "", "/api/oauth.v2.access"},
    {"slack.com", "", "/api/tooling.tokens.rotate"},
    {"", "", "/v1/auth/*/login/**"},
    {"", "", "/v1/auth/token/create/**"},
    {".amazonaws.com", "POST", "/v1/authorization-token"},
    {"codeartifact.amazonaws.com", "POST", "/v1/authorization-token"},
    {".amazonaws.com", "", "/federation/credentials"},
});

// Operations whose answers hold keys or tokens.
constexpr auto kAwsOperations = std::to_array<std::string_view>({
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "CreateAccessKey",
    "CreateApiKey",
    "CreateLoginProfile",
    "CreateServiceSpecificCredential",
    "CreateToken",
    "GetAuthorizationToken",
    "GetCredentialsForIdentity",
    "GetFederationToken",
    "GetOpenIdToken",
    "GetOpenIdTokenForDeveloperIdentity",
    "GetSessionToken",
    "GetWebIdentityToken",
    "InitiateAuth",
    "AdminInitiateAuth",
});

bool is_aws_operation(std::string_view name) {
    return std::ranges::find(kAwsOperations, name) != kAwsOperations.end();
}

bool host_fits(std::string_view pattern, std::string_view host) {
    return pattern.empty() || (pattern.front() == '.' ? host.ends_with(pattern) : host == pattern);
}

struct Compiled {
    const Endpoint* endpoint;
    proto::PathPattern path;
};

std::vector<Compiled> compile() {
    std::vector<Compiled> compiled;
    for (const Endpoint& endpoint : kEndpoints) {
        const auto path = policy::parse_path_pattern(endpoint.path);
        ANCHORHOLD_CHECK(path.has_value());
        compiled.push_back({&endpoint, *path});
    }
    return compiled;
}

}  // namespace

bool is_minting_endpoint(std::string_view host, std::string_view method,
                         const policy::Target& target) {
    static const std::vector<Compiled> table = compile();
    return std::ranges::any_of(table, [&](const Compiled& line) {
        return host_fits(line.endpoint->host, host) &&
               (line.endpoint->method.empty() || line.endpoint->method == method) &&
               policy::path_matches(line.path, target, policy::Reading::wide);
    });
}

bool is_minting_aws_request(const RequestHead& head, std::string_view form) {
    const Field* const operation = find_field(head.fields, "x-amz-target");
    if (operation != nullptr) {
        const std::string_view name = operation->value;
        if (is_aws_operation(name.substr(name.rfind('.') + 1))) {
            return true;
        }
    }
    const TargetParts parts = split_target(head.target);
    const std::string_view query =
        std::string_view(head.target).substr(parts.query.begin, parts.query.end);
    const auto mints = [](const FormField& field) {
        return field.key == "Action" && is_aws_operation(field.value);
    };
    const auto creates_session = [](const FormField& field) { return field.key == "session"; };
    const auto asked = parse_form(query);
    return std::ranges::any_of(asked, mints) || std::ranges::any_of(asked, creates_session) ||
           std::ranges::any_of(parse_form(form), mints);
}

}  // namespace anchorhold::proxy
