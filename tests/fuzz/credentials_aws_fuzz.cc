// AWS signatures and signed chunks from a hostile guest, in pieces of any size.
#include <string>
#include <string_view>

#include "base/check.h"
#include "fuzz_input.h"
#include "proxy/credentials/aws_chunks.h"
#include "proxy/credentials/sigv4.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    using namespace anchorhold::proxy;
    fuzz::FuzzInput input(data, size);
    const auto mode = input.take<uint8_t>();
    const size_t step = 1 + input.take<uint8_t>();
    const auto rest = input.take_bytes(size);
    const std::string text(reinterpret_cast<const char*>(rest.data()), rest.size());
    if (mode % 4 == 0) {
        if (const auto parsed = parse_aws_authorization(text)) {
            ANCHORHOLD_CHECK(!parsed->signed_headers.empty() && parsed->date.size() == 8);
        }
        const RequestHead head{"GET", "host", "/" + text, "", {{"x-amz-meta", text}}};
        (void)aws_canonical_request({head, 1, "hash"}, mode % 8 == 0 ? "s3" : "sts",
                                    {"host", "x-amz-meta"});
        return 0;
    }
    const AwsAuthorization scope{"", "20130524", "us-east-1", "s3", {}};
    AwsChunkSigner chunks(AwsSigningKey("key", scope), "20130524T000000Z", scope.scope(), "seed",
                          mode % 4 == 1 ? AwsTrailer::none : AwsTrailer::signed_);
    size_t out = 0;
    for (size_t at = 0; at < text.size(); at += step) {
        std::string piece = text.substr(at, step);
        if (!chunks.piece(piece)) {
            return 0;
        }
        out += piece.size();
        ANCHORHOLD_CHECK(out <= text.size());
    }
    ANCHORHOLD_CHECK(!chunks.finish() || out == text.size());
    return 0;
}
