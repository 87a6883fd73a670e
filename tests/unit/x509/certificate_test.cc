// A root, a leaf under it, and what must differ between two.
#include "x509/certificate.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <vector>

namespace anchorhold::x509 {
namespace {

class CertificateTest : public testing::Test {
  protected:
    OwnCertificate make_root() {
        const std::vector<Extension> extensions = {{NID_basic_constraints, "critical,CA:TRUE"},
                                                   {NID_subject_key_identifier, "hash"}};
        CertificateRequest request;
        request.common_name = "root";
        request.days = 10;
        request.key = root_key.get();
        request.extensions = extensions;
        return sign_certificate(request, nullptr, root_key.get()).value();
    }
    OwnCertificate make_leaf(X509* issuer) {
        const std::vector<Extension> extensions = {
            {NID_subject_alt_name, "critical,DNS:a.example"}};
        CertificateRequest request;
        request.key = leaf_key.get();
        request.extensions = extensions;
        return sign_certificate(request, issuer, root_key.get()).value();
    }

    OwnKey root_key{EVP_EC_gen("P-256")};
    OwnKey leaf_key{EVP_EC_gen("P-256")};
};

TEST_F(CertificateTest, root_signs_itself) {
    const OwnCertificate root = make_root();
    EXPECT_EQ(X509_verify(root.get(), root_key.get()), 1);
    EXPECT_EQ(X509_check_ca(root.get()), 1);
}

TEST_F(CertificateTest, leaf_is_its_issuers_and_carries_its_name) {
    const OwnCertificate root = make_root();
    const OwnCertificate leaf = make_leaf(root.get());
    EXPECT_EQ(X509_verify(leaf.get(), root_key.get()), 1);
    EXPECT_EQ(X509_check_issued(root.get(), leaf.get()), X509_V_OK);
    EXPECT_EQ(X509_check_host(leaf.get(), "a.example", 0, 0, nullptr), 1);
    EXPECT_NE(X509_check_host(leaf.get(), "b.example", 0, 0, nullptr), 1);
}

TEST_F(CertificateTest, serial_numbers_differ) {
    const OwnCertificate root = make_root();
    EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(make_leaf(root.get()).get()),
                               X509_get0_serialNumber(make_leaf(root.get()).get())),
              0);
}

TEST_F(CertificateTest, keys_and_certificates_come_back_from_der) {
    const std::string key = public_key_der(root_key.get()).value();
    EXPECT_EQ(EVP_PKEY_eq(parse_public_key(key).value().get(), root_key.get()), 1);
    const OwnCertificate root = make_root();
    const std::string certificate = certificate_der(root.get()).value();
    EXPECT_EQ(X509_cmp(parse_certificate(certificate).value().get(), root.get()), 0);
}

TEST_F(CertificateTest, der_that_is_cut_or_followed_by_bytes_is_an_error) {
    const std::string key = public_key_der(root_key.get()).value();
    const std::string certificate = certificate_der(make_root().get()).value();
    EXPECT_FALSE(parse_public_key(key + "x"));
    EXPECT_FALSE(parse_certificate(certificate + "x"));
    for (const size_t size : {size_t{0}, size_t{1}, key.size() - 1}) {
        EXPECT_FALSE(parse_public_key(std::string_view(key).substr(0, size)));
        EXPECT_FALSE(parse_certificate(std::string_view(certificate).substr(0, size)));
    }
}

TEST_F(CertificateTest, extension_that_openssl_cannot_read_is_an_error) {
    const std::vector<Extension> extensions = {{NID_basic_constraints, "nonsense"}};
    CertificateRequest request;
    request.key = root_key.get();
    request.extensions = extensions;
    EXPECT_FALSE(sign_certificate(request, nullptr, root_key.get()));
}

}  // namespace
}  // namespace anchorhold::x509
