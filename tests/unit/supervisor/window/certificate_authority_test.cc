// The root signs what is a key of the right kind, and nothing else.
#include "supervisor/window/certificate_authority.h"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>

#include "x509/certificate.h"

namespace anchorhold::supervisor {
namespace {

class CertificateAuthorityTest : public testing::Test {
  protected:
    CertificateAuthorityTest() {
        char name[] = "/tmp/anchorhold-ca-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~CertificateAuthorityTest() override { std::filesystem::remove_all(folder_); }

    CertificateAuthority open() { return CertificateAuthority::open(folder_ + "/ca").value(); }
    static std::string public_key(const char* group) {
        const x509::OwnKey key(EVP_EC_gen(group));
        return x509::public_key_der(key.get()).value();
    }

    std::string folder_;
};

TEST_F(CertificateAuthorityTest, an_intermediate_is_the_proxys_key_and_may_sign_leaves_only) {
    const std::string key = public_key("P-256");
    const auto certificate = x509::parse_certificate(open().issue("box", key).value()).value();
    EXPECT_EQ(x509::public_key_der(X509_get0_pubkey(certificate.get())).value(), key);
    EXPECT_EQ(X509_check_ca(certificate.get()), 1);
    EXPECT_EQ(X509_get_pathlen(certificate.get()), 0);
}

TEST_F(CertificateAuthorityTest, what_is_no_point_on_p256_is_refused) {
    const CertificateAuthority authority = open();
    EXPECT_FALSE(authority.issue("box", public_key("P-384")));
    EXPECT_FALSE(authority.issue("box", public_key("P-256") + "x"));
    EXPECT_FALSE(authority.issue("box", ""));
    EXPECT_FALSE(authority.issue("box", std::string(91, 'k')));
}

TEST_F(CertificateAuthorityTest, root_stays_the_same) {
    EXPECT_EQ(open().root_pem(), open().root_pem());
}

}  // namespace
}  // namespace anchorhold::supervisor
