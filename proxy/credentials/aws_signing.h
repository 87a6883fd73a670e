// An AWS request of the guest, from its Authorization to the new one. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/credentials/aws_chunks.h"
#include "proxy/credentials/credential_index.h"
#include "proxy/credentials/sigv4.h"

namespace anchorhold::proxy {

// What stands for the body in the signature (x-amz-content-sha256).
enum class AwsPayload {
    absent,          // the field is not sent: the body's digest
    digest,          // the field is the body's digest, checked while the body passes
    unsigned_body,   // UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER
    chunks,          // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
    chunks_trailer,  // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
};

class AwsSigning {
  public:
    // The guest's signature over placeholders. An error is one line for a person; the caller knows
    // that `bound` has the access key of that placeholder.
    static Result<AwsSigning> examine(const RequestHead& head, AwsAuthorization authorization,
                                      const BoundSecret& bound);

    // How the body stands in a request of this field's value; nullopt: one that cannot be re-made.
    static std::optional<AwsPayload> payload_of(const RequestHead& head);

    [[nodiscard]] AwsPayload payload() const { return payload_; }

    // Sets Authorization and the session token. `body` is needed where payload() is absent. Returns
    // the signer of the chunks where there are some.
    Result<std::optional<AwsChunkSigner>> sign(RequestHead& head,
                                               std::optional<uint64_t> content_length,
                                               std::string_view body) const;

  private:
    AwsSigning(AwsAuthorization authorization, const BoundSecret& bound, AwsPayload payload,
               std::string date_time);

    AwsAuthorization authorization_;
    const BoundSecret* bound_;
    AwsPayload payload_;
    std::string date_time_;
};

}  // namespace anchorhold::proxy
