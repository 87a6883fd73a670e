// Leaves are cheap (one P-256 signature) and short-lived; the key behind them never leaves this
// process.
#include "proxy/tls/guest_tls.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <array>
#include <vector>

#include "x509/certificate.h"

namespace anchorhold::proxy {

struct GuestTls::Leaf {
    std::string name;
    OwnCertificate certificate;
};

namespace {

constexpr long kLeafDays = 7;

// The one protocol that a session may choose travels as its application data: a length byte and the
// name, as on the wire.
int choose_alpn(SSL* session, const unsigned char** chosen, unsigned char* chosen_length,
                const unsigned char* offered, unsigned offered_length, void*) {
    const auto* wanted = static_cast<const unsigned char*>(SSL_get_app_data(session));
    if (wanted == nullptr) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    for (unsigned at = 0; at + 1 <= offered_length;) {
        const unsigned length = offered[at];
        if (length == wanted[0] &&
            std::equal(offered + at + 1, offered + at + 1 + length, wanted + 1)) {
            *chosen = offered + at + 1;
            *chosen_length = static_cast<unsigned char>(length);
            return SSL_TLSEXT_ERR_OK;
        }
        at += length + 1;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Static storage for the protocols that exist here; null for none.
void* wire_alpn(std::string_view alpn) {
    static std::array<unsigned char, 3> h2 = {2, 'h', '2'};
    static std::array<unsigned char, 9> http1 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    return alpn == "h2" ? h2.data() : alpn == "http/1.1" ? http1.data() : nullptr;
}

bool is_address(const std::string& name) {
    unsigned char bytes[16];
    return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// RFC 5280: the name in subjectAltName only, server authentication only.
Result<OwnCertificate> make_leaf(const std::string& name, X509* issuer, EVP_PKEY* issuer_key,
                                 EVP_PKEY* key) {
    const std::vector<x509::Extension> extensions = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_authority_key_identifier, "keyid:always"},
        {NID_subject_alt_name, (is_address(name) ? "critical,IP:" : "critical,DNS:") + name}};
    x509::CertificateRequest request;
    request.days = kLeafDays;
    request.key = key;
    request.extensions = extensions;
    return x509::sign_certificate(request, issuer, issuer_key);
}

}  // namespace

GuestTls::GuestTls() = default;
GuestTls::GuestTls(GuestTls&&) noexcept = default;
GuestTls& GuestTls::operator=(GuestTls&&) noexcept = default;
GuestTls::~GuestTls() = default;

Result<GuestTls> GuestTls::create(std::string_view intermediate_certificate,
                                  OwnKey intermediate_key) {
    GuestTls tls;
    tls.intermediate_ = ANCHORHOLD_TRY(x509::parse_certificate(intermediate_certificate));
    tls.intermediate_key_ = std::move(intermediate_key);
    tls.leaf_key_.reset(EVP_EC_gen("P-256"));
    tls.context_.reset(SSL_CTX_new(TLS_server_method()));
    if (!tls.leaf_key_ || !tls.context_ ||
        X509_check_private_key(tls.intermediate_.get(), tls.intermediate_key_.get()) != 1) {
        return fail_openssl("the sandbox's intermediate certificate");
    }
    SSL_CTX* context = tls.context_.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets only
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, nullptr);
    return tls;
}

Result<X509*> GuestTls::leaf(const std::string& name) {
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
        leaves_.splice(leaves_.begin(), leaves_, found->second);
        return found->second->certificate.get();
    }
    leaves_.push_front({name, ANCHORHOLD_TRY(make_leaf(name, intermediate_.get(),
                                                       intermediate_key_.get(), leaf_key_.get()))});
    by_name_[name] = leaves_.begin();
    if (leaves_.size() > kMaxLeaves) {
        by_name_.erase(leaves_.back().name);
        leaves_.pop_back();
    }
    return leaves_.front().certificate.get();
}

Result<OwnSsl> GuestTls::session(std::string_view name, std::string_view alpn) {
    X509* certificate = ANCHORHOLD_TRY(leaf(std::string(name)));
    OwnSsl session(SSL_new(context_.get()));
    unsigned char name_digest[32];
    if (!session || SSL_use_certificate(session.get(), certificate) != 1 ||
        SSL_use_PrivateKey(session.get(), leaf_key_.get()) != 1 ||
        SSL_add1_chain_cert(session.get(), intermediate_.get()) != 1 ||
        EVP_Digest(name.data(), name.size(), name_digest, nullptr, EVP_sha256(), nullptr) != 1 ||
        SSL_set_session_id_context(session.get(), name_digest, sizeof name_digest) != 1) {
        return fail_openssl("a TLS session towards the guest");
    }
    SSL_set_app_data(session.get(), wire_alpn(alpn));
    SSL_set_accept_state(session.get());
    return session;
}

}  // namespace anchorhold::proxy
