// The TLS that upstreams see: verified names, sessions resumed under the name they were made for.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/credentials/credentials.h"
#include "proxy/tls/openssl.h"

namespace anchorhold::proxy {

// The host's trust anchors, read once by the zygote, before there is a jail.
Result<OwnStore> system_trust_store();

class UpstreamTls {
  public:
    // `store` is shared with other sandboxes' proxies by fork only. `extra_roots` is PEM, or empty.
    static Result<UpstreamTls> create(X509_STORE* store, std::string_view extra_roots);
    UpstreamTls(UpstreamTls&&) noexcept;
    UpstreamTls& operator=(UpstreamTls&&) noexcept;
    ~UpstreamTls();

    // A client session that verifies the upstream as `name` (a strict name or an address literal)
    // and offers `alpn` in order. Sessions of the same name and port are resumed.
    Result<OwnSsl> session(std::string_view name, uint16_t port,
                           const std::vector<std::string>& alpn, const ClientIdentity* identity);

  private:
    UpstreamTls();
    static int remember(SSL* session, SSL_SESSION* resumable);

    static constexpr size_t kMaxSessions = 64;

    struct Sessions {
        std::unordered_map<std::string, OwnSession> by_endpoint;
    };
    OwnContext context_;
    std::unique_ptr<Sessions> sessions_;
};

}  // namespace anchorhold::proxy
