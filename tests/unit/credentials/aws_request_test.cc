// AWS requests through a binding: signed by the guest with placeholders, seen upstream with the
// real key.
#include <gtest/gtest.h>

#include "credential_bench.h"
#include "proxy/credentials/sigv4.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

const std::string kKey = "AKIAIOSFODNN7EXAMPLE";
const std::string kSecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const std::string kHeldKey = "AKIAANCHORHOLDQ7X2ZB";
const std::string kHeldSecretKey = "anchorholdQ7X2ZBanchorholdQ7X2ZB12345678";
const std::string kToken = "FwoGZXIvYXdzEBYaDexample-session-token-value";
const std::string kHeldToken = "anchorhold-session-token-held-by-the-guest1";
const std::string kDay = "20130524T000000Z";
const std::string kOld(64, '0');

class AwsRequestTest : public testing::Test, public CredentialBench {
  protected:
    AwsRequestTest() {
        add_secret("secret-key", kSecretKey, kHeldSecretKey);
        add_secret("access-key", kKey, kHeldKey);
        add_secret("session", kToken, kHeldToken);
    }
    proto::AwsSigV4& bind_aws(const std::string& service = "s3") {
        proto::AwsSigV4& aws = *bind("secret-key").mutable_aws_sigv4();
        aws.set_service(service);
        aws.set_region("us-east-1");
        aws.set_access_key_secret("access-key");
        return aws;
    }
    static std::string authorization(const std::string& headers,
                                     const std::string& scope = "20130524/us-east-1/s3",
                                     const std::string& key = kHeldKey) {
        return "AWS4-HMAC-SHA256 Credential=" + key + "/" + scope +
               "/aws4_request, SignedHeaders=" + headers + ", Signature=" + kOld;
    }
    static Sent signed_request(const std::string& digest, const std::string& body,
                               size_t piece = 0) {
        return {
            .method = "PUT",
            .target = "/examplebucket/chunkObject.txt",
            .fields = {{"x-amz-date", kDay},
                       {"x-amz-content-sha256", digest},
                       {"authorization", authorization("host;x-amz-content-sha256;x-amz-date")}},
            .body = body,
            .piece = piece};
    }
    // What S3 would compute over what it received.
    static std::string signature_of(const Outcome& outcome, const std::string& payload,
                                    const std::string& service = "s3") {
        const auto parsed = parse_aws_authorization(outcome.header("authorization"));
        EXPECT_TRUE(parsed);
        const AwsRequest request{outcome.head, std::nullopt, payload};
        const auto canonical = aws_canonical_request(request, service, parsed->signed_headers);
        return AwsSigningKey(kSecretKey, *parsed)
            .sign(aws_string_to_sign(kDay, parsed->scope(), *canonical));
    }
};

TEST_F(AwsRequestTest, published_example_comes_out_as_published) {
    proto::Binding& binding = *policy.add_bindings();
    binding.set_id("s3/credential/1");
    binding.set_secret("secret-key");
    binding.add_hosts()->set_exact("examplebucket.s3.amazonaws.com");
    binding.mutable_aws_sigv4()->set_service("s3");
    binding.mutable_aws_sigv4()->set_region("us-east-1");
    binding.mutable_aws_sigv4()->set_access_key_secret("access-key");
    const std::string empty = sha256_hex("");
    const Outcome outcome = request(
        {.target = "/test.txt",
         .fields = {{"range", "bytes=0-9"},
                    {"x-amz-content-sha256", empty},
                    {"x-amz-date", kDay},
                    {"authorization", authorization("host;range;x-amz-content-sha256;x-amz-date")}},
         .host = "examplebucket.s3.amazonaws.com"});
    EXPECT_EQ(outcome.reason(), Reason::none);
    EXPECT_EQ(outcome.header("authorization"),
              "AWS4-HMAC-SHA256 Credential=" + kKey +
                  "/20130524/us-east-1/s3/aws4_request, "
                  "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                  "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    EXPECT_EQ(outcome.use->used(), (std::vector<std::string>{"secret-key", "access-key"}));
    EXPECT_TRUE(find_field(outcome.head.fields, "authorization")->secret);
}

TEST_F(AwsRequestTest, unsigned_bodies_streamed) {
    bind_aws();
    for (const std::string digest : {"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}) {
        const Outcome outcome = request(signed_request(digest, std::string(5000, 'x'), 100));
        EXPECT_EQ(outcome.reason(), Reason::none);
        EXPECT_EQ(outcome.use->body_needed(), 0U);
        EXPECT_EQ(outcome.body, std::string(5000, 'x'));
        EXPECT_NE(outcome.header("authorization").find(signature_of(outcome, digest)),
                  std::string::npos);
    }
}

TEST_F(AwsRequestTest, body_with_a_digest_streamed_and_checked) {
    bind_aws();
    const std::string body(5000, 'x');
    Outcome outcome = request(signed_request(sha256_hex(body), body, 100));
    EXPECT_EQ(outcome.reason(), Reason::none);
    EXPECT_NE(outcome.header("authorization").find(signature_of(outcome, sha256_hex(body))),
              std::string::npos);
    outcome = request(signed_request(sha256_hex(body), body + "!", 100));
    EXPECT_EQ(outcome.reason(), Reason::signing);
}

TEST_F(AwsRequestTest, chunks_signed_again_in_a_chain_from_the_new_signature) {
    bind_aws();
    const std::string body =
        "5;chunk-signature=" + kOld + "\r\nhello\r\n0;chunk-signature=" + kOld + "\r\n\r\n";
    const std::string digest = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    const Outcome outcome = request(signed_request(digest, body, 10));
    EXPECT_EQ(outcome.reason(), Reason::none);
    EXPECT_EQ(outcome.body.size(), body.size());
    const auto parsed = parse_aws_authorization(outcome.header("authorization"));
    const AwsSigningKey key(kSecretKey, *parsed);
    std::string previous = signature_of(outcome, digest);
    std::string expected;
    for (const std::string data : {"hello", ""}) {
        previous = key.sign("AWS4-HMAC-SHA256-PAYLOAD\n" + kDay + "\n" + parsed->scope() + "\n" +
                            previous + "\n" + sha256_hex("") + "\n" + sha256_hex(data));
        expected +=
            std::to_string(data.size()) + ";chunk-signature=" + previous + "\r\n" + data + "\r\n";
    }
    EXPECT_EQ(outcome.body, expected);
}

TEST_F(AwsRequestTest, cut_chunks_refused_at_the_end) {
    bind_aws();
    const Outcome outcome = request(signed_request(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "5;chunk-signature=" + kOld + "\r\nhello\r\n", 7));
    EXPECT_EQ(outcome.reason(), Reason::signing);
}

TEST_F(AwsRequestTest, session_token_put_in_and_signed) {
    bind_aws().set_session_token_secret("session");
    for (const bool sent : {false, true}) {
        Sent wanted = signed_request("UNSIGNED-PAYLOAD", "x");
        if (sent) {
            wanted.fields.push_back({"x-amz-security-token", kHeldToken});
        }
        const Outcome outcome = request(wanted);
        EXPECT_EQ(outcome.reason(), Reason::none);
        EXPECT_EQ(outcome.header("x-amz-security-token"), kToken);
        EXPECT_NE(outcome.header("authorization").find("x-amz-security-token"), std::string::npos);
    }
}

TEST_F(AwsRequestTest, other_service_signs_the_collected_body) {
    bind_aws("dynamodb");
    const std::string body = "{\"TableName\":\"t\"}";
    const Sent sent{.method = "POST",
                    .target = "/",
                    .fields = {{"x-amz-date", kDay},
                               {"x-amz-target", "DynamoDB_20120810.GetItem"},
                               {"authorization", authorization("host;x-amz-date;x-amz-target",
                                                               "20130524/us-east-1/dynamodb")}},
                    .body = body};
    const Outcome outcome = request(sent);
    EXPECT_EQ(outcome.reason(), Reason::none);
    EXPECT_EQ(outcome.use->body_needed(), kMaxCredentialBody);
    EXPECT_NE(
        outcome.header("authorization").find(signature_of(outcome, sha256_hex(body), "dynamodb")),
        std::string::npos);
}

struct Attack {
    std::string_view name;
    Fields fields{};
    std::string target = "/x";
    Reason reason = Reason::signing;
};

TEST_F(AwsRequestTest, what_cannot_be_signed_again_is_refused) {
    bind_aws();
    const std::string headers = "host;x-amz-date";
    const Field date{"x-amz-date", kDay};
    const Field digest{"x-amz-content-sha256", "UNSIGNED-PAYLOAD"};
    const Field good{"authorization", authorization(headers)};
    const Attack attacks[] = {
        {"none of it wrong", {date, digest, good}, "/x", Reason::none},
        {"another region",
         {date, digest, {"authorization", authorization(headers, "20130524/us-west-2/s3")}}},
        {"another service",
         {date, digest, {"authorization", authorization(headers, "20130524/us-east-1/sts")}}},
        {"another day",
         {date, digest, {"authorization", authorization(headers, "20130525/us-east-1/s3")}}},
        {"no date", {digest, good}},
        {"two dates", {date, date, digest, good}},
        {"a strange date", {{"x-amz-date", "20130524T000000+"}, digest, good}},
        {"an unknown payload",
         {date, {"x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, good}},
        {"version 2", {date, {"authorization", "AWS " + kHeldKey + ":c2ln"}}},
        {"version 4a",
         {date,
          digest,
          {"authorization", "AWS4-ECDSA-P256-SHA256 Credential=" + kHeldKey +
                                "/20130524/s3/aws4_request, SignedHeaders=host, Signature=0"}}},
        {"presigned", {}, "/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + kHeldKey},
        {"presigned and signed", {date, digest, good}, "/x?X-Amz-Signature=00"},
        {"a plus in the query", {date, digest, good}, "/x?a=b+c"},
        {"signed twice", {date, digest, good, good}},
        {"the attacker's key",
         {date,
          digest,
          {"authorization",
           authorization(headers, "20130524/us-east-1/s3", "AKIAATTACKERSKEY0000")}},
         "/x",
         Reason::foreign_credential},
        {"the attacker's token",
         {date, digest, good, {"x-amz-security-token", "attackers"}},
         "/x",
         Reason::foreign_credential},
        {"the secret key's placeholder",
         {date, digest, good, {"x-note", kHeldSecretKey}},
         "/x",
         Reason::stray_placeholder},
        {"a bearer token",
         {{"authorization", "Bearer attackers"}},
         "/x",
         Reason::foreign_credential},
    };
    for (const Attack& attack : attacks) {
        const Outcome outcome = request({.target = attack.target, .fields = attack.fields});
        EXPECT_EQ(policy::reason_word(outcome.reason()), policy::reason_word(attack.reason))
            << attack.name << ": " << (outcome.refused ? outcome.refused->detail : "");
        EXPECT_TRUE(!outcome.refused ||
                    outcome.header("authorization").find(kKey) == std::string::npos);
    }
}

TEST_F(AwsRequestTest, outside_its_document_refused_and_unsigned_passes) {
    bind_aws();
    Sent sent = signed_request("UNSIGNED-PAYLOAD", "x");
    sent.document = 3;
    EXPECT_EQ(request(sent).reason(), Reason::unbound_credential);
    const Outcome anonymous = request({.target = "/public"});
    EXPECT_EQ(anonymous.reason(), Reason::none);
    EXPECT_EQ(anonymous.header("authorization"), "");
}

}  // namespace
}  // namespace anchorhold::proxy
