// Version 3 certificates, made and signed (RFC 5280).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "x509/owners.h"

namespace anchorhold::x509 {

// One certificate extension in OpenSSL's own notation (x509v3_config(5)).
struct Extension {
    int id;  // NID_…
    std::string value;
};

struct CertificateRequest {
    std::string common_name;  // empty: the subject has no name
    long days = 1;            // valid from a day ago to so many days from now
    EVP_PKEY* key = nullptr;  // whose certificate it is
    std::span<const Extension> extensions;
};

// With a random serial number of 127 bits, signed by `issuer` with `issuer_key`; a null issuer
// signs itself, and `issuer_key` is then the request's own.
Result<OwnCertificate> sign_certificate(const CertificateRequest& request, X509* issuer,
                                        EVP_PKEY* issuer_key);

// An unencrypted PKCS#8 key in PEM (RFC 7468 §10). Where OpenSSL's secure heap is set up nothing of
// the key stays elsewhere; the text is the caller's to wipe.
Result<OwnKey> parse_private_key(std::string_view pem);

// A SubjectPublicKeyInfo in DER (RFC 5280 §4.1), and back; nothing may follow it.
Result<std::string> public_key_der(EVP_PKEY* key);
Result<OwnKey> parse_public_key(std::string_view der);

// A certificate in DER, and back; nothing may follow it.
Result<std::string> certificate_der(X509* certificate);
Result<OwnCertificate> parse_certificate(std::string_view der);

}  // namespace anchorhold::x509
