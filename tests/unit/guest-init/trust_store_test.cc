// Trust, in folders laid out like images; formats against known values.
#include "guest-init/trust/trust_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/sys.h"
#include "guest-init/image_files.h"
#include "guest-init/trust/java_key_store.h"
#include "guest-init/trust/pem.h"
#include "guest-init/trust/sha1.h"

namespace anchorhold::guest_init {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// Not certificates, but nothing here looks inside.
constexpr const char* kOurs = "-----BEGIN CERTIFICATE-----\nb3Vycw==\n-----END CERTIFICATE-----\n";
constexpr const char* kTheirs =
    "# a comment\n-----BEGIN CERTIFICATE-----\ndGhlaXJz\n-----END CERTIFICATE-----";

class TrustStoreTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/trust-store-XXXXXX";
        root = ::mkdtemp(name);
    }
    void TearDown() override { fs::remove_all(root); }
    void write(const std::string& path, const std::string& text) {
        ASSERT_TRUE(replace_file(root + path, text));
    }
    std::string read(const std::string& path) { return read_regular(root + path); }

    std::string root;
};

TEST_F(TrustStoreTest, debian_image_keeps_its_own_and_gets_ours) {
    write("/etc/ssl/certs/ca-certificates.crt", kTheirs);
    fs::create_directories(root + "/usr/local/share/ca-certificates");
    ASSERT_TRUE(install_root_certificate(root, {.pem = kOurs, .subject_hash = "0123abcd"}));
    EXPECT_EQ(read("/etc/ssl/certs/ca-certificates.crt"), std::string(kTheirs) + "\n" + kOurs);
    EXPECT_EQ(read(kBundleFile), std::string(kTheirs) + "\n" + kOurs);
    EXPECT_EQ(read(kCaFile), kOurs);
    EXPECT_EQ(read("/etc/ssl/certs/0123abcd.0"), kOurs);
    EXPECT_EQ(read("/usr/local/share/ca-certificates/anchorhold.crt"), kOurs);
    EXPECT_THAT(read("/etc/firefox/policies/policies.json"), HasSubstr(kCaFile));
    EXPECT_THAT(read("/etc/chromium/policies/managed/anchorhold.json"), HasSubstr("b3Vycw=="));
    EXPECT_THAT(read(kJavaStoreFile), HasSubstr("theirs"));
    EXPECT_THAT(read(kJavaStoreFile), HasSubstr("ours"));
}

TEST_F(TrustStoreTest, second_time_changes_nothing) {
    write("/etc/ssl/certs/ca-certificates.crt", kTheirs);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(install_root_certificate(root, {.pem = kOurs, .subject_hash = "0123abcd"}));
    }
    EXPECT_EQ(read("/etc/ssl/certs/ca-certificates.crt"), std::string(kTheirs) + "\n" + kOurs);
}

TEST_F(TrustStoreTest, fedora_link_is_replaced_and_every_bundle_has_ours) {
    write("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", kTheirs);
    fs::create_directories(root + "/etc/pki/tls/certs");
    fs::create_symlink("../../ca-trust/extracted/pem/tls-ca-bundle.pem",
                       root + "/etc/pki/tls/certs/ca-bundle.crt");
    ASSERT_TRUE(install_root_certificate(root, {.pem = kOurs, .subject_hash = ""}));
    EXPECT_THAT(read("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"), HasSubstr(kOurs));
    EXPECT_THAT(read("/etc/pki/tls/certs/ca-bundle.crt"), HasSubstr(kOurs));
    EXPECT_FALSE(fs::exists(root + "/etc/ssl"));
}

TEST_F(TrustStoreTest, image_without_certificates_gets_a_bundle) {
    ASSERT_TRUE(install_root_certificate(root, {.pem = kOurs, .subject_hash = "../../x"}));
    EXPECT_EQ(read("/etc/ssl/certs/ca-certificates.crt"), kOurs);
    EXPECT_EQ(read(kBundleFile), kOurs);
    EXPECT_FALSE(fs::exists(root + "/etc/x.0"));
}

TEST_F(TrustStoreTest, what_is_not_pem_is_refused) {
    EXPECT_FALSE(install_root_certificate(root, {.pem = "root", .subject_hash = ""}));
    EXPECT_FALSE(fs::exists(root + "/run"));
}

TEST(Pem, certificates_are_found_between_other_text) {
    const std::string text = std::string("x\n") + kTheirs + "\nx\n" +
                             "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n" +
                             "-----BEGIN CERTIFICATE-----\nYQ=\n-----END CERTIFICATE-----\n" +
                             "-----BEGIN CERTIFICATE-----\nY===\n-----END CERTIFICATE-----\n" +
                             kOurs + "-----BEGIN CERTIFICATE-----\nYQ==\n";
    EXPECT_THAT(certificates_of(text), testing::ElementsAre("theirs", "ours"));
}

TEST(Pem, base64_is_that_of_the_rfc) {
    EXPECT_EQ(base64(""), "");
    EXPECT_EQ(base64("f"), "Zg==");
    EXPECT_EQ(base64("fo"), "Zm8=");
    EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

std::string hex(const std::array<uint8_t, 20>& bytes) {
    std::string text;
    for (const uint8_t byte : bytes) {
        char pair[3];
        std::snprintf(pair, sizeof pair, "%02x", byte);
        text += pair;
    }
    return text;
}

TEST(Sha1, digests_are_those_of_the_standard) {
    EXPECT_EQ(hex(sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    EXPECT_EQ(hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(hex(sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
              "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    EXPECT_EQ(hex(sha1(std::string(1'000'000, 'a'))), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST(JavaKeyStore, store_has_header_entries_and_digest) {
    const std::string certificates[] = {"der"};
    const std::string store = java_key_store(certificates);
    const std::string start("\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\2\0\4ca-0", 22);
    EXPECT_EQ(store.substr(0, start.size()), start);
    EXPECT_EQ(store.size(), start.size() + 8 + 7 + 4 + 3 + 20);
}

}  // namespace
}  // namespace anchorhold::guest_init
