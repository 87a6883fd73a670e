// A root and one leaf for both names of the bench.
#include "bench/proxy/certificates.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "base/sys.h"

namespace anchorhold::bench {
namespace {

constexpr long kValidSeconds = 86400;

template <auto Free>
struct Freer {
    template <typename Object>
    void operator()(Object* object) const {
        Free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;

bool add(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Certificate blank(const char* name, long serial, EVP_PKEY* key) {
    Certificate made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), kValidSeconds);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_pubkey(made.get(), key);
    return made;
}

template <typename Write>
Result<std::string> pem(Write write) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (write(bio.get()) != 1) {
        ERR_clear_error();
        return fail("cannot write a certificate of the bench");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
}

}  // namespace

Result<BenchCertificates> make_bench_certificates(const std::string& folder) {
    const Key authority_key(EVP_EC_gen("P-256"));
    const Key key(EVP_EC_gen("P-256"));
    const Certificate authority = blank("Anchorhold bench root", 1, authority_key.get());
    X509_set_issuer_name(authority.get(), X509_get_subject_name(authority.get()));
    const Certificate leaf = blank(kBenchHost, 2, key.get());
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(authority.get()));
    const bool made =
        add(authority.get(), authority.get(), NID_basic_constraints, "critical,CA:TRUE") &&
        add(authority.get(), authority.get(), NID_subject_key_identifier, "hash") &&
        X509_sign(authority.get(), authority_key.get(), EVP_sha256()) != 0 &&
        add(leaf.get(), authority.get(), NID_subject_alt_name,
            std::string("DNS:") + kBenchHost + ",DNS:" + kBulkHost + ",DNS:localhost") &&
        X509_sign(leaf.get(), authority_key.get(), EVP_sha256()) != 0;
    if (!made) {
        ERR_clear_error();
        return fail("cannot make the bench's certificates");
    }
    const std::string root =
        ANCHORHOLD_TRY(pem([&](BIO* bio) { return PEM_write_bio_X509(bio, authority.get()); }));
    const std::string chain =
        ANCHORHOLD_TRY(pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf.get()); }));
    const std::string secret = ANCHORHOLD_TRY(pem([&](BIO* bio) {
        return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }));
    BenchCertificates files{folder + "/root.pem", folder + "/leaf.pem", folder + "/leaf.key",
                            folder + "/leaf-and-key.pem"};
    ANCHORHOLD_TRY(sys::write_file(files.authority, root));
    ANCHORHOLD_TRY(sys::write_file(files.chain, chain));
    ANCHORHOLD_TRY(sys::write_file(files.key, secret));
    ANCHORHOLD_TRY(sys::write_file(files.both, chain + secret));
    return files;
}

}  // namespace anchorhold::bench
