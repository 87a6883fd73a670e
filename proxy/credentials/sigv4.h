// AWS Signature Version 4: a request signed by the guest with placeholders is signed again with the
// real key ("Signature Version 4 signing process", AWS General Reference; the section "Signature
// calculations for the Authorization header" of the Amazon S3 API reference).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "proxy/head.h"

namespace anchorhold::proxy {

// "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…,
// Signature=…"
struct AwsAuthorization {
    std::string access_key;
    std::string date;  // "20130524"
    std::string region;
    std::string service;
    std::vector<std::string> signed_headers;  // lower case, as listed

    [[nodiscard]] std::string scope() const {
        return date + "/" + region + "/" + service + "/aws4_request";
    }
};

// Strict: any other algorithm (SigV4a, version 2) and any other form is an error.
Result<AwsAuthorization> parse_aws_authorization(std::string_view value);

// The key derived from a secret key for a day, region and service. Wiped when it goes; move-only.
class AwsSigningKey {
  public:
    AwsSigningKey(std::string_view secret_key, const AwsAuthorization& scope);
    AwsSigningKey(AwsSigningKey&& other) noexcept;
    AwsSigningKey& operator=(AwsSigningKey&&) = delete;
    AwsSigningKey(const AwsSigningKey&) = delete;
    AwsSigningKey& operator=(const AwsSigningKey&) = delete;
    ~AwsSigningKey();

    // HMAC-SHA256 in lower-case hexadecimal.
    [[nodiscard]] std::string sign(std::string_view string_to_sign) const;

  private:
    std::array<unsigned char, 32> key_{};
};

// What is signed of a request.
struct AwsRequest {
    const RequestHead& head;                 // as it goes upstream
    std::optional<uint64_t> content_length;  // for clients that sign it
    std::string_view payload_hash;           // what stands for the body in the canonical request
};

// Names of the fields that are signed: those of the list that reach the upstream, `host`, and every
// x-amz- field; sorted.
[[nodiscard]] std::vector<std::string> aws_signed_headers(const AwsRequest& request,
                                                          const std::vector<std::string>& listed);

// "Task 1: create a canonical request". S3 encodes the path once, other services twice. An error
// for a query that can be read in two ways.
Result<std::string> aws_canonical_request(const AwsRequest& request, std::string_view service,
                                          const std::vector<std::string>& signed_headers);

// "Task 2": `date_time` is x-amz-date ("20130524T000000Z").
[[nodiscard]] std::string aws_string_to_sign(std::string_view date_time, std::string_view scope,
                                             std::string_view canonical_request);

[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace anchorhold::proxy
