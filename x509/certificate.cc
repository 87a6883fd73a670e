// One way to make a certificate, whoever signs it.
#include "x509/certificate.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace anchorhold::x509 {
namespace {

constexpr long kDay = 24L * 60 * 60;

Status add_extension(X509* certificate, X509* issuer, const Extension& wanted) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, &context, wanted.id, wanted.value.c_str());
    if (extension == nullptr) {
        return fail_openssl("X509V3_EXT_conf_nid");
    }
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return {};
}

Status set_serial(X509* certificate) {
    unsigned char serial[16];
    if (RAND_bytes(serial, sizeof serial) != 1) {
        return fail_openssl("RAND_bytes");
    }
    serial[0] &= 0x7f;  // a serial number is positive
    BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return {};
}

void add_name(X509_NAME* subject, const char* field, const std::string& text) {
    X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
}

template <typename Object, typename Encode>
Result<std::string> der_of(const char* what, Object* object, Encode encode) {
    unsigned char* bytes = nullptr;
    const int size = encode(object, &bytes);
    if (size <= 0) {
        return fail_openssl(what);
    }
    std::string der(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    OPENSSL_free(bytes);
    return der;
}

template <typename Own, typename Decode>
Result<Own> parsed(const char* what, std::string_view der, Decode decode) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const auto* const end = at + der.size();
    Own object(decode(nullptr, &at, static_cast<long>(der.size())));
    if (!object) {
        return fail_openssl(what);
    }
    if (at != end) {
        return fail(std::string(what) + ": bytes behind its end");
    }
    return object;
}

}  // namespace

Result<OwnCertificate> sign_certificate(const CertificateRequest& request, X509* issuer,
                                        EVP_PKEY* issuer_key) {
    OwnCertificate made(X509_new());
    X509* const certificate = made.get();
    if (certificate == nullptr) {
        return fail_openssl("X509_new");
    }
    ANCHORHOLD_TRY(set_serial(certificate));
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay);
    X509_gmtime_adj(X509_getm_notAfter(certificate), request.days * kDay);
    if (!request.common_name.empty()) {
        X509_NAME* subject = X509_get_subject_name(certificate);
        add_name(subject, "O", "Anchorhold");
        add_name(subject, "CN", request.common_name);
    }
    X509* const signer = issuer != nullptr ? issuer : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    X509_set_pubkey(certificate, request.key);
    for (const Extension& extension : request.extensions) {
        ANCHORHOLD_TRY(add_extension(certificate, signer, extension));
    }
    if (X509_sign(certificate, issuer_key, EVP_sha256()) == 0) {
        return fail_openssl("X509_sign");
    }
    return made;
}

Result<OwnKey> parse_private_key(std::string_view pem) {
    const OwnBio text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    unsigned char* der = nullptr;
    long size = 0;
    if (!text || PEM_bytes_read_bio_secmem(&der, &size, nullptr, PEM_STRING_PKCS8INF, text.get(),
                                           nullptr, nullptr) != 1) {
        return fail_openssl("a private key in PEM");
    }
    const unsigned char* at = der;
    OwnKey key(d2i_AutoPrivateKey(nullptr, &at, size));
    OPENSSL_secure_clear_free(der, static_cast<size_t>(size));
    if (!key) {
        return fail_openssl("a private key in PEM");
    }
    return key;
}

Result<std::string> public_key_der(EVP_PKEY* key) {
    return der_of("a public key", key, i2d_PUBKEY);
}

Result<OwnKey> parse_public_key(std::string_view der) {
    return parsed<OwnKey>("a public key", der, d2i_PUBKEY);
}

Result<std::string> certificate_der(X509* certificate) {
    return der_of("a certificate", certificate, i2d_X509);
}

Result<OwnCertificate> parse_certificate(std::string_view der) {
    return parsed<OwnCertificate>("a certificate", der, d2i_X509);
}

}  // namespace anchorhold::x509
