// One switch over the locations for each question.
#include "policy/binding.h"

#include <fmt/format.h>

#include "policy/host_pattern.h"

namespace anchorhold::policy {

Status check_binding(const proto::Binding& binding) {
    const auto refused = [&](std::string_view why) {
        return fail(fmt::format("credential '{}': {}", binding.id(), why));
    };
    if (binding.secret().empty() || binding.hosts().empty() || binding.ports().empty() ||
        binding.location_case() == proto::Binding::LOCATION_NOT_SET) {
        return refused("it has no secret, no host, no port or no location");
    }
    for (const proto::HostPattern& host : binding.hosts()) {
        ANCHORHOLD_TRY(check_host_pattern(host));
        if (!host.has_exact() && !host.has_suffix()) {
            return refused("credentials go to hosts by name");
        }
    }
    for (const uint32_t port : binding.ports()) {
        if (port == 0 || port > 65535) {
            return refused("a port beyond 65535");
        }
    }
    return {};
}

bool same_location(const proto::Binding& a, const proto::Binding& b) {
    if (a.location_case() != b.location_case()) {
        return false;
    }
    switch (a.location_case()) {
        case proto::Binding::kHeader:
            return a.header() == b.header();
        case proto::Binding::kQueryKey:
            return a.query_key() == b.query_key();
        case proto::Binding::kPathSegment:
            return a.path_segment() == b.path_segment();
        case proto::Binding::kJsonPointer:
            return a.json_pointer() == b.json_pointer();
        case proto::Binding::kFormField:
            return a.form_field() == b.form_field();
        case proto::Binding::kAwsSigv4:
        case proto::Binding::kClientCertificate:
            return true;  // a request has one signature, a connection one certificate
        case proto::Binding::LOCATION_NOT_SET:
            break;
    }
    return false;
}

bool does_the_same(const proto::Binding& a, const proto::Binding& b) {
    if (!same_location(a, b) || a.secret() != b.secret() || a.format() != b.format() ||
        a.basic() != b.basic() || a.user() != b.user()) {
        return false;
    }
    const proto::AwsSigV4& left = a.aws_sigv4();
    const proto::AwsSigV4& right = b.aws_sigv4();
    return left.service() == right.service() && left.region() == right.region() &&
           left.access_key_secret() == right.access_key_secret() &&
           left.session_token_secret() == right.session_token_secret() &&
           a.client_certificate().certificate_secret() ==
               b.client_certificate().certificate_secret();
}

std::string location_text(const proto::Binding& binding) {
    switch (binding.location_case()) {
        case proto::Binding::kHeader:
            return fmt::format("header {}", binding.header());
        case proto::Binding::kQueryKey:
            return fmt::format("query key {}", binding.query_key());
        case proto::Binding::kPathSegment:
            return fmt::format("path segment {}", binding.path_segment());
        case proto::Binding::kJsonPointer:
            return fmt::format("JSON pointer {}", binding.json_pointer());
        case proto::Binding::kFormField:
            return fmt::format("form field {}", binding.form_field());
        case proto::Binding::kAwsSigv4:
            return fmt::format("AWS signature ({}, {})", binding.aws_sigv4().service(),
                               binding.aws_sigv4().region());
        case proto::Binding::kClientCertificate:
            return "client certificate";
        case proto::Binding::LOCATION_NOT_SET:
            break;
    }
    return "nowhere";
}

std::string origin_text(const proto::ResolvedPolicy& policy, const proto::Origin& origin) {
    if (origin.document() >= static_cast<uint32_t>(policy.documents_size())) {
        return "unknown";
    }
    const std::string& file = policy.documents(static_cast<int>(origin.document())).file();
    return fmt::format("{}:{}:{}", file.substr(file.rfind('/') + 1), origin.line(),
                       origin.column());
}

}  // namespace anchorhold::policy
