// Upstreams that know their clients by a certificate: the key is a secret like any other.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <vector>

#include "window/fixture.h"
#include "x509/certificate.h"

namespace anchorhold::window_test {
namespace {

constexpr const char* kPolicy = R"(version: 1
kind: grant
name: bank
allow:
  - host: bank.example.com
    private_ranges: [127.0.0.0/8]
  - host: other.example.com
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: bank-key
    host: bank.example.com
    kind: client-certificate
    certificate: bank-certificate
)";

template <typename Write>
std::string pem(Write write) {
    const x509::OwnBio bio(BIO_new(BIO_s_mem()));
    EXPECT_EQ(write(bio.get()), 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<size_t>(size)};
}

struct Identity {
    std::string root;
    std::string certificate;
    std::string key;
};

Identity make_identity() {
    const x509::OwnKey root_key(EVP_EC_gen("P-256"));
    const x509::OwnKey key(EVP_EC_gen("P-256"));
    const std::vector<x509::Extension> authority = {{NID_basic_constraints, "critical,CA:TRUE"}};
    const std::vector<x509::Extension> client = {{NID_ext_key_usage, "clientAuth"}};
    x509::CertificateRequest request;
    request.common_name = "the bank's own root";
    request.key = root_key.get();
    request.extensions = authority;
    const auto root = x509::sign_certificate(request, nullptr, root_key.get()).value();
    request.common_name = "agent 7";
    request.key = key.get();
    request.extensions = client;
    const auto leaf = x509::sign_certificate(request, root.get(), root_key.get()).value();
    return {pem([&](BIO* bio) { return PEM_write_bio_X509(bio, root.get()); }),
            pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf.get()); }), pem([&](BIO* bio) {
                return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr,
                                                nullptr);
            })};
}

class ClientCertificate : public ::testing::Test {
  protected:
    ClientCertificate()
        : upstream_(
              [](const Received&, ByteStream& stream) { return stream.write(ok_answer("money")); },
              options(identity_.root)),
          window_({.policies = {kPolicy},
                   .hosts = {{"bank.example.com", upstream_.port()},
                             {"other.example.com", upstream_.port()}},
                   .secrets = {{"bank-key", identity_.key},
                               {"bank-certificate", identity_.certificate}},
                   .upstream_roots = upstream_.root_pem()}) {}

    static StandIn::Options options(const std::string& root) {
        StandIn::Options made;
        made.client_root = root;
        return made;
    }

    Identity identity_ = make_identity();
    StandIn upstream_;
    TestWindow window_;
};

TEST_F(ClientCertificate, is_shown_to_the_upstream_it_is_bound_to) {
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(
            window_.ask("bank.example.com", "GET / HTTP/1.1\r\nHost: bank.example.com\r\n\r\n")
                .body,
            "money");
    }
    ASSERT_EQ(upstream_.received().size(), 2U);
    EXPECT_EQ(upstream_.received()[0].client_name, "agent 7");
    EXPECT_EQ(upstream_.received()[1].client_name, "agent 7");
    const proto::AuditEvent used = window_.wait_for([](const proto::AuditEvent& event) {
        return event.has_decision() && event.decision().verdict() == proto::RequestDecided::ALLOW;
    });
    ASSERT_EQ(used.decision().credentials_size(), 1);
    EXPECT_EQ(used.decision().credentials(0), "bank-key");
    EXPECT_EQ(window_.log_text().find("PRIVATE KEY"), std::string::npos);
}

TEST_F(ClientCertificate, is_shown_to_no_other) {
    const HttpAnswer answer =
        window_.ask("other.example.com", "GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n");
    EXPECT_EQ(answer.status, 502);
    EXPECT_TRUE(upstream_.received().empty());
}

}  // namespace
}  // namespace anchorhold::window_test
