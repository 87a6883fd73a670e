// Published signatures: the Amazon S3 API reference's examples, the AWS General Reference's and the
// test suite's first.
#include "proxy/credentials/sigv4.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy {
namespace {

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kEmpty =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Published {
    std::string_view name;
    RequestHead head;
    std::vector<std::string> headers;
    std::string payload_hash;
    std::string date_time;
    std::string service;
    std::string_view secret;
    std::string_view signature;
};

Field field(std::string name, std::string value) {
    return {std::move(name), std::move(value)};
}

std::vector<Published> published() {
    const std::string s3 = "examplebucket.s3.amazonaws.com";
    const std::string day = "20130524T000000Z";
    const std::string empty(kEmpty);
    return {
        {"GET object",
         {"GET",
          s3,
          "/test.txt",
          "",
          {field("range", "bytes=0-9"), field("x-amz-content-sha256", empty),
           field("x-amz-date", day)}},
         {"host", "range", "x-amz-content-sha256", "x-amz-date"},
         empty,
         day,
         "s3",
         kSecret,
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {"PUT object",
         {"PUT",
          s3,
          "/test%24file.text",
          "",
          {field("date", "Fri, 24 May 2013 00:00:00 GMT"), field("x-amz-date", day),
           field("x-amz-storage-class", "REDUCED_REDUNDANCY"),
           field("x-amz-content-sha256",
                 "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")}},
         {"date", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-storage-class"},
         "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
         day,
         "s3",
         kSecret,
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {"GET bucket lifecycle",
         {"GET",
          s3,
          "/?lifecycle",
          "",
          {field("x-amz-date", day), field("x-amz-content-sha256", empty)}},
         {"host", "x-amz-content-sha256", "x-amz-date"},
         empty,
         day,
         "s3",
         kSecret,
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"list objects",
         {"GET",
          s3,
          "/?prefix=J&max-keys=2",
          "",
          {field("x-amz-date", day), field("x-amz-content-sha256", empty)}},
         {"host", "x-amz-content-sha256", "x-amz-date"},
         empty,
         day,
         "s3",
         kSecret,
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
        {"IAM ListUsers",
         {"GET",
          "iam.amazonaws.com",
          "/?Action=ListUsers&Version=2010-05-08",
          "",
          {field("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
           field("x-amz-date", "20150830T123600Z")}},
         {"content-type", "host", "x-amz-date"},
         empty,
         "20150830T123600Z",
         "iam",
         "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
         "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
        {"get-vanilla",
         {"GET", "example.amazonaws.com", "/", "", {field("x-amz-date", "20150830T123600Z")}},
         {"host", "x-amz-date"},
         empty,
         "20150830T123600Z",
         "service",
         "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    };
}

TEST(SigV4, published_requests_signed_as_published) {
    for (const Published& example : published()) {
        const AwsAuthorization scope{"", example.date_time.substr(0, 8), "us-east-1",
                                     example.service, example.headers};
        const AwsRequest request{example.head, std::nullopt, example.payload_hash};
        const auto canonical = aws_canonical_request(request, example.service, example.headers);
        ASSERT_TRUE(canonical) << example.name;
        const AwsSigningKey key(example.secret, scope);
        EXPECT_EQ(key.sign(aws_string_to_sign(example.date_time, scope.scope(), *canonical)),
                  example.signature)
            << example.name << "\n"
            << *canonical;
    }
}

TEST(SigV4, canonical_path_encoded_once_for_s3_and_twice_for_others) {
    const RequestHead head{"GET", "h", "/a%20b/c%2Fd%3A(e)", "", {}};
    const AwsRequest request{head, std::nullopt, "x"};
    EXPECT_EQ(aws_canonical_request(request, "s3", {}).value().substr(4, 22),
              "/a%20b/c/d%3A%28e%29\n\n");
    EXPECT_EQ(aws_canonical_request(request, "sts", {}).value().substr(4, 30),
              "/a%2520b/c%252Fd%253A%28e%29\n\n");
}

TEST(SigV4, canonical_query_sorted_and_plus_refused) {
    const RequestHead sorted{"GET", "h", "/?b=2&a=1&a=0&c", "", {}};
    EXPECT_EQ(aws_canonical_request({sorted, std::nullopt, "x"}, "s3", {}).value(),
              "GET\n/\na=0&a=1&b=2&c=\n\n\nx");
    const RequestHead plus{"GET", "h", "/?a=1+2", "", {}};
    EXPECT_FALSE(aws_canonical_request({plus, std::nullopt, "x"}, "s3", {}));
}

TEST(SigV4, header_values_trimmed_and_joined) {
    const RequestHead head{"GET",
                           "h",
                           "/",
                           "",
                           {field("x-amz-meta-a", "  one   two "), field("x-amz-meta-a", "three")}};
    EXPECT_EQ(
        aws_canonical_request({head, 12, "x"}, "s3", {"content-length", "x-amz-meta-a"}).value(),
        "GET\n/\n\ncontent-length:12\nx-amz-meta-a:one two,three\n\n"
        "content-length;x-amz-meta-a\nx");
}

TEST(SigV4, signed_headers_those_that_arrive_and_all_of_amazon) {
    const RequestHead head{
        "GET", "h", "/", "", {field("x-amz-date", "d"), field("range", "r"), field("accept", "a")}};
    EXPECT_EQ(aws_signed_headers({head, std::nullopt, "x"},
                                 {"range", "expect", "host", "content-length", "authorization"}),
              (std::vector<std::string>{"host", "range", "x-amz-date"}));
}

TEST(SigV4, authorization_parsed) {
    for (const std::string_view separator : {", ", ","}) {
        const auto parsed = parse_aws_authorization(
            "AWS4-HMAC-SHA256 Credential=AKIA/20130524/us-east-1/s3/aws4_request" +
            std::string(separator) + "SignedHeaders=host;x-amz-date" + std::string(separator) +
            "Signature=00");
        ASSERT_TRUE(parsed);
        EXPECT_EQ(parsed->access_key, "AKIA");
        EXPECT_EQ(parsed->scope(), "20130524/us-east-1/s3/aws4_request");
        EXPECT_EQ(parsed->signed_headers, (std::vector<std::string>{"host", "x-amz-date"}));
    }
}

TEST(SigV4, other_authorizations_refused) {
    const std::string credential = "Credential=AKIA/20130524/us-east-1/s3/aws4_request";
    for (const std::string& value : {
             std::string("AWS AKIA:c2lnbmF0dXJl"),
             "AWS4-ECDSA-P256-SHA256 " + credential + ", SignedHeaders=host, Signature=0",
             "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=host",
             "AWS4-HMAC-SHA256 " + credential + ", Signature=0",
             "AWS4-HMAC-SHA256 " + credential + ", " + credential +
                 ", SignedHeaders=host, Signature=0",
             "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=Host, Signature=0",
             "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=host;, Signature=0",
             "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=host, Signature=0, X=1",
             std::string("AWS4-HMAC-SHA256 Credential=AKIA/20130524/s3/aws4_request, "
                         "SignedHeaders=host, Signature=0"),
             std::string("AWS4-HMAC-SHA256 Credential=AKIA/today/us-east-1/s3/aws4_request, "
                         "SignedHeaders=host, Signature=0"),
             std::string("AWS4-HMAC-SHA256"),
             std::string(),
         }) {
        EXPECT_FALSE(parse_aws_authorization(value)) << value;
    }
}

}  // namespace
}  // namespace anchorhold::proxy
