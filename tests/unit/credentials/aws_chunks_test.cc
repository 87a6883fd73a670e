// The Amazon S3 API reference's chunked uploads, in pieces of every size, and broken framing.
#include "proxy/credentials/aws_chunks.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy {
namespace {

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kSeed =
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
constexpr std::string_view kTrailerSeed =
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

AwsChunkSigner signer(std::string_view seed, AwsTrailer trailer) {
    const AwsAuthorization scope{"", "20130524", "us-east-1", "s3", {}};
    return {AwsSigningKey(kSecret, scope), "20130524T000000Z", scope.scope(), std::string(seed),
            trailer};
}

std::string chunk(std::string_view size, std::string_view signature, const std::string& data) {
    return std::string(size) + ";chunk-signature=" + std::string(signature) + "\r\n" + data +
           "\r\n";
}

const std::string kOld(64, '0');

struct Signed {
    std::string out;
    std::string error;
};

Signed run(AwsChunkSigner chunks, const std::string& body, size_t step) {
    Signed result;
    for (size_t at = 0; at < body.size(); at += step) {
        std::string piece = body.substr(at, step);
        if (const auto done = chunks.piece(piece); !done) {
            result.error = done.error().message;
            return result;
        }
        result.out += piece;
    }
    if (const auto done = chunks.finish(); !done) {
        result.error = done.error().message;
    }
    return result;
}

TEST(AwsChunks, published_upload_signed_as_published) {
    const std::string body = chunk("10000", kOld, std::string(65536, 'a')) +
                             chunk("400", kOld, std::string(1024, 'a')) + chunk("0", kOld, "");
    const std::string expected =
        chunk("10000", "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
              std::string(65536, 'a')) +
        chunk("400", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
              std::string(1024, 'a')) +
        chunk("0", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", "");
    for (const size_t step : {99999999U, 16384U, 1000U, 86U, 7U}) {
        const Signed result = run(signer(kSeed, AwsTrailer::none), body, step);
        EXPECT_EQ(result.error, "");
        EXPECT_TRUE(result.out == expected) << step;
    }
}

TEST(AwsChunks, published_trailer_signed_as_published) {
    const auto body = [](std::string_view one, std::string_view two, std::string_view three,
                         std::string_view trailer, std::string_view line_end) {
        return chunk("10000", one, std::string(65536, 'a')) +
               chunk("400", two, std::string(1024, 'a')) +
               "0;chunk-signature=" + std::string(three) +
               "\r\nx-amz-checksum-crc32c:sOO8/Q==" + std::string(line_end) +
               "x-amz-trailer-signature:" + std::string(trailer) + "\r\n\r\n";
    };
    for (const std::string_view line_end : {"\r\n", "\n", "\n\r\n"}) {
        const std::string expected =
            body("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                 "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                 "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                 "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435", line_end);
        const Signed result = run(signer(kTrailerSeed, AwsTrailer::signed_),
                                  body(kOld, kOld, kOld, kOld, line_end), 100);
        EXPECT_EQ(result.error, "");
        EXPECT_TRUE(result.out == expected) << result.out.substr(result.out.size() - 300);
    }
}

TEST(AwsChunks, broken_framing_refused) {
    const std::string last = chunk("0", kOld, "");
    const std::string cases[] = {
        "",
        chunk("5", kOld, "hello"),                         // no last chunk
        chunk("5", kOld, "hello!") + last,                 // longer than its size
        chunk("6", kOld, "hello") + last,                  // shorter
        chunk("", kOld, "") + last,                        // no size
        chunk("x", kOld, "") + last,                       // no number
        chunk("-1", kOld, "") + last,                      //
        chunk("0x5", kOld, "hello") + last,                //
        chunk("100001", kOld, "a") + last,                 // over 1 MiB
        chunk("ffffffffffffffffff", kOld, "a") + last,     // overflow
        chunk("5", kOld.substr(1), "hello") + last,        // a short signature
        chunk("5", std::string(64, 'G'), "hello") + last,  // no signature
        "5\r\nhello\r\n0\r\n\r\n",                         // unsigned chunks
        chunk("5", kOld, "hello") + last + "more",         // bytes after the end
        std::string(300, '1'),                             // a line without end
    };
    for (const std::string& body : cases) {
        EXPECT_NE(run(signer(kSeed, AwsTrailer::none), body, 999999).error, "") << body;
    }
    const std::string trailer_cases[] = {
        "0;chunk-signature=" + kOld + "\r\n",
        "0;chunk-signature=" + kOld + "\r\nno colon\r\n",
        "0;chunk-signature=" + kOld + "\r\nx-amz-trailer-signature:short\r\n\r\n",
        "0;chunk-signature=" + kOld + "\r\nx-amz-trailer-signature:" + kOld + "\r\na:b\r\n\r\n",
        "0;chunk-signature=" + kOld + "\r\na:" + std::string(5000, 'b'),
    };
    for (const std::string& body : trailer_cases) {
        EXPECT_NE(run(signer(kSeed, AwsTrailer::signed_), body, 64).error, "") << body;
    }
}

}  // namespace
}  // namespace anchorhold::proxy
