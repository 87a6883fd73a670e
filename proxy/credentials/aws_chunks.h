// aws-chunked bodies whose every chunk is signed, signed again as they pass ("Signature
// calculations for the Authorization header: transferring payload in multiple chunks" and "…
// including trailing headers", Amazon S3 API reference).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proxy/credentials/sigv4.h"

namespace anchorhold::proxy {

enum class AwsTrailer { none, signed_ };  // STREAMING-AWS4-HMAC-SHA256-PAYLOAD, …-PAYLOAD-TRAILER

// The chunks' sizes stay, so that the body's length does too. A chunk is held until it is whole,
// because its signature stands before it.
class AwsChunkSigner {
  public:
    static constexpr size_t kMaxChunk = size_t{1} << 20;  // bytes of data

    // `seed` is the request's new signature.
    AwsChunkSigner(AwsSigningKey key, std::string date_time, std::string scope, std::string seed,
                   AwsTrailer trailer);

    // Changes a piece into what can go out now. Errors: the framing is broken, a chunk over the
    // bound, bytes after the end.
    Status piece(std::string& bytes);
    // The body ends here: an error unless its last chunk was seen.
    [[nodiscard]] Status finish() const;

  private:
    enum class Where { chunk, trailer, end };

    Result<bool> take_chunk(std::string& out);
    Result<bool> take_trailer_line(std::string& out);
    std::string sign_chunk(std::string_view data);
    std::string sign_trailer();

    AwsSigningKey key_;
    std::string date_time_;
    std::string scope_;
    std::string previous_;  // signature
    AwsTrailer trailer_;
    Where where_ = Where::chunk;
    std::string held_;      // not yet passed on
    size_t used_ = 0;       // of held_, passed on
    std::string trailers_;  // canonical lines
    bool trailer_signed_ = false;
};

}  // namespace anchorhold::proxy
