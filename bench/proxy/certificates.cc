// A root and one leaf for both names of the bench.
#include "bench/proxy/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <vector>

#include "base/sys.h"
#include "x509/certificate.h"

namespace anchorhold::bench {
namespace {

using x509::OwnBio;
using x509::OwnCertificate;
using x509::OwnKey;

template <typename Write>
Result<std::string> pem(Write write) {
    const OwnBio bio(BIO_new(BIO_s_mem()));
    if (write(bio.get()) != 1) {
        return x509::fail_openssl("a certificate of the bench");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
}

}  // namespace

Result<BenchCertificates> make_bench_certificates(const std::string& folder) {
    const OwnKey root_key(EVP_EC_gen("P-256"));
    const OwnKey key(EVP_EC_gen("P-256"));
    const std::vector<x509::Extension> of_root = {{NID_basic_constraints, "critical,CA:TRUE"},
                                                  {NID_subject_key_identifier, "hash"}};
    const std::vector<x509::Extension> of_leaf = {
        {NID_subject_alt_name,
         std::string("DNS:") + kBenchHost + ",DNS:" + kBulkHost + ",DNS:localhost"}};
    x509::CertificateRequest request;
    request.common_name = "bench root";
    request.key = root_key.get();
    request.extensions = of_root;
    const OwnCertificate root =
        ANCHORHOLD_TRY(x509::sign_certificate(request, nullptr, root_key.get()));
    request.common_name = kBenchHost;
    request.key = key.get();
    request.extensions = of_leaf;
    const OwnCertificate leaf =
        ANCHORHOLD_TRY(x509::sign_certificate(request, root.get(), root_key.get()));
    const std::string authority =
        ANCHORHOLD_TRY(pem([&](BIO* bio) { return PEM_write_bio_X509(bio, root.get()); }));
    const std::string chain =
        ANCHORHOLD_TRY(pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf.get()); }));
    const std::string secret = ANCHORHOLD_TRY(pem([&](BIO* bio) {
        return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }));
    BenchCertificates files{folder + "/root.pem", folder + "/leaf.pem", folder + "/leaf.key",
                            folder + "/leaf-and-key.pem"};
    ANCHORHOLD_TRY(sys::write_file(files.authority, authority));
    ANCHORHOLD_TRY(sys::write_file(files.chain, chain));
    ANCHORHOLD_TRY(sys::write_file(files.key, secret));
    ANCHORHOLD_TRY(sys::write_file(files.both, chain + secret));
    return files;
}

}  // namespace anchorhold::bench
