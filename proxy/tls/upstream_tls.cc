// Verification is OpenSSL's own, with the name it must find; sessions are kept by endpoint.
#include "proxy/tls/upstream_tls.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace anchorhold::proxy {
namespace {

std::string wire_list(const std::vector<std::string>& protocols) {
    std::string list;
    for (const std::string& protocol : protocols) {
        list += static_cast<char>(protocol.size());
        list += protocol;
    }
    return list;
}

// What SSL_set_tlsext_host_name does, without the macro's cast.
long set_server_name(SSL* session, std::string& host) {
    return SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
}

int endpoint_index() {
    static const int index = SSL_get_ex_new_index(
        0, nullptr, nullptr, nullptr, [](void*, void* endpoint, CRYPTO_EX_DATA*, int, long, void*) {
            delete static_cast<std::string*>(endpoint);
        });
    return index;
}

OwnBio bio_over(std::string_view text) {
    return OwnBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Status add_roots(X509_STORE* store, std::string_view pem) {
    const OwnBio bio = bio_over(pem);
    size_t count = 0;
    while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
        ++count;
    }
    ERR_clear_error();  // the end of the text is an error there
    return count > 0 ? Status() : fail("the additional roots hold no certificate in PEM");
}

Status use_identity(SSL* session, const ClientIdentity& identity) {
    const OwnBio chain = bio_over(identity.certificate_chain);
    const OwnBio key_text = bio_over(identity.key);
    const OwnCertificate own(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
    const OwnKey key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
    if (!own || !key || SSL_use_certificate(session, own.get()) != 1 ||
        SSL_use_PrivateKey(session, key.get()) != 1) {
        return fail_openssl("the client certificate " + std::string(identity.name));
    }
    while (const auto issuer =
               OwnCertificate(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))) {
        SSL_add1_chain_cert(session, issuer.get());
    }
    ERR_clear_error();
    return {};
}

}  // namespace

Result<OwnStore> system_trust_store() {
    OwnStore store(X509_STORE_new());
    if (!store || X509_STORE_load_file(store.get(), "/etc/ssl/certs/ca-certificates.crt") != 1) {
        ERR_clear_error();
        if (!store || X509_STORE_load_file(store.get(), X509_get_default_cert_file()) != 1) {
            return fail_openssl("the host's trust store (install ca-certificates)");
        }
    }
    return store;
}

UpstreamTls::UpstreamTls() = default;
UpstreamTls::UpstreamTls(UpstreamTls&&) noexcept = default;
UpstreamTls& UpstreamTls::operator=(UpstreamTls&&) noexcept = default;
UpstreamTls::~UpstreamTls() = default;

int UpstreamTls::remember(SSL* session, SSL_SESSION* resumable) {
    auto* sessions = static_cast<Sessions*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(session)));
    const auto* endpoint =
        static_cast<const std::string*>(SSL_get_ex_data(session, endpoint_index()));
    if (sessions == nullptr || endpoint == nullptr) {
        return 0;
    }
    if (sessions->by_endpoint.size() >= kMaxSessions &&
        !sessions->by_endpoint.contains(*endpoint)) {
        sessions->by_endpoint.erase(sessions->by_endpoint.begin());
    }
    sessions->by_endpoint[*endpoint].reset(resumable);
    return 1;  // the reference is ours now
}

Result<UpstreamTls> UpstreamTls::create(X509_STORE* store, std::string_view extra_roots) {
    UpstreamTls tls;
    tls.context_.reset(SSL_CTX_new(TLS_client_method()));
    tls.sessions_ = std::make_unique<Sessions>();
    if (!tls.context_) {
        return fail_openssl("SSL_CTX_new");
    }
    SSL_CTX* context = tls.context_.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set1_cert_store(context, store);
    if (!extra_roots.empty()) {
        ANCHORHOLD_TRY(add_roots(store, extra_roots));
    }
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, remember);
    SSL_CTX_set_app_data(context, tls.sessions_.get());
    return tls;
}

Result<OwnSsl> UpstreamTls::session(std::string_view name, uint16_t port,
                                    const std::vector<std::string>& alpn,
                                    const ClientIdentity* identity) {
    OwnSsl session(SSL_new(context_.get()));
    if (!session) {
        return fail_openssl("SSL_new");
    }
    std::string host(name);
    unsigned char address[16];
    X509_VERIFY_PARAM* verify = SSL_get0_param(session.get());
    if (::inet_pton(AF_INET, host.c_str(), address) == 1 ||
        ::inet_pton(AF_INET6, host.c_str(), address) == 1) {
        if (X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) != 1) {
            return fail_openssl("X509_VERIFY_PARAM_set1_ip_asc");
        }
    } else {
        X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size()) != 1 ||
            set_server_name(session.get(), host) != 1) {
            return fail_openssl("SSL_set_tlsext_host_name");
        }
    }
    const std::string list = wire_list(alpn);
    if (!list.empty() &&
        SSL_set_alpn_protos(session.get(), reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size())) != 0) {
        return fail_openssl("SSL_set_alpn_protos");
    }
    if (identity != nullptr) {
        ANCHORHOLD_TRY(use_identity(session.get(), *identity));
    }
    const std::string endpoint = host + ':' + std::to_string(port);
    if (identity ==
        nullptr) {  // a session that a client certificate made must serve nobody without it
        SSL_set_ex_data(session.get(), endpoint_index(), new std::string(endpoint));
        if (const auto found = sessions_->by_endpoint.find(endpoint);
            found != sessions_->by_endpoint.end()) {
            SSL_set_session(session.get(), found->second.get());
            if (SSL_SESSION_get_protocol_version(found->second.get()) >= TLS1_3_VERSION) {
                sessions_->by_endpoint.erase(
                    found);  // RFC 8446 appendix C.4: a ticket is used once
            }
        }
    }
    SSL_set_connect_state(session.get());
    return session;
}

}  // namespace anchorhold::proxy
