// The TLS that the guest sees: leaves of one name each, made here under this sandbox's
// intermediate.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/tls/openssl.h"

namespace anchorhold::proxy {

// One context for all names; certificate, session id context and ALPN are set per session, so a
// ticket of one name resumes under no other.
class GuestTls {
  public:
    // The intermediate's certificate (DER) and its key.
    static Result<GuestTls> create(std::string_view intermediate_certificate,
                                   OwnKey intermediate_key);
    GuestTls(GuestTls&&) noexcept;
    GuestTls& operator=(GuestTls&&) noexcept;
    ~GuestTls();

    // A server session for a strict name or an address literal, which speaks `alpn` only ("" for
    // clients that offered none).
    Result<OwnSsl> session(std::string_view name, std::string_view alpn);

  private:
    struct Leaf;
    GuestTls();
    Result<X509*> leaf(const std::string& name);

    static constexpr size_t kMaxLeaves = 128;  // the least recently used goes

    OwnContext context_;
    OwnCertificate intermediate_;
    OwnKey intermediate_key_;
    OwnKey leaf_key_;
    std::list<Leaf> leaves_;  // most recently used first
    std::unordered_map<std::string, std::list<Leaf>::iterator> by_name_;
};

}  // namespace anchorhold::proxy
