// The guest's side and the upstream's side of the window, face to face over a pair of BIOs.
#include "proxy/tls/rehearsal.h"

#include <openssl/pem.h>

#include <array>
#include <string>

#include "proxy/tls/guest_tls.h"
#include "proxy/tls/upstream_tls.h"
#include "x509/certificate.h"

namespace anchorhold::proxy {
namespace {

constexpr const char* kName = "rehearsal.invalid";
constexpr int kMostTurns = 16;
constexpr size_t kRecord = 16384;
constexpr size_t kRoom = 2 * kRecord;

Result<std::string> pem(X509* certificate) {
    const x509::OwnBio bio(BIO_new(BIO_s_mem()));
    if (PEM_write_bio_X509(bio.get(), certificate) != 1) {
        return fail_openssl("PEM");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
}

bool pass_record(SSL* from, SSL* to) {
    static constexpr std::array<char, kRecord> kBytes{};
    std::array<char, kRecord> received;
    size_t count = 0;
    return SSL_write_ex(from, kBytes.data(), kBytes.size(), &count) == 1 &&
           SSL_read_ex(to, received.data(), received.size(), &count) == 1;
}

}  // namespace

Status rehearse_tls(X509_STORE* trust) {
    OwnKey key(EVP_EC_gen("P-256"));
    const std::array<x509::Extension, 2> authority = {
        {{NID_basic_constraints, "critical,CA:TRUE"}, {NID_subject_key_identifier, "hash"}}};
    x509::CertificateRequest request;
    request.common_name = kName;
    request.key = key.get();
    request.extensions = authority;
    const OwnCertificate root = ANCHORHOLD_TRY(x509::sign_certificate(request, nullptr, key.get()));
    const std::string root_der = ANCHORHOLD_TRY(x509::certificate_der(root.get()));
    GuestTls guest = ANCHORHOLD_TRY(GuestTls::create(root_der, std::move(key)));
    const std::string root_pem = ANCHORHOLD_TRY(pem(root.get()));
    UpstreamTls upstream = ANCHORHOLD_TRY(UpstreamTls::create(trust, root_pem));
    const OwnSsl server = ANCHORHOLD_TRY(guest.session(kName, "http/1.1"));
    const OwnSsl client = ANCHORHOLD_TRY(upstream.session(kName, 443, {"http/1.1"}, nullptr));
    BIO* left = nullptr;
    BIO* right = nullptr;
    if (BIO_new_bio_pair(&left, kRoom, &right, kRoom) != 1) {
        return fail_openssl("BIO_new_bio_pair");
    }
    SSL_set_bio(server.get(), left, left);
    SSL_set_bio(client.get(), right, right);
    bool shaken = false;
    for (int turn = 0; turn < kMostTurns && !shaken; ++turn) {
        const int of_client = SSL_do_handshake(client.get());
        const int of_server = SSL_do_handshake(server.get());
        shaken = of_client == 1 && of_server == 1;
    }
    if (!shaken || !pass_record(client.get(), server.get()) ||
        !pass_record(server.get(), client.get())) {
        return fail_openssl("TLS with itself");
    }
    ERR_clear_error();  // "want read" on the way
    return {};
}

}  // namespace anchorhold::proxy
