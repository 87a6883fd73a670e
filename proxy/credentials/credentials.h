// Credentials at the window: each binding's secret is put in its one location, everything else that
// looks like a credential is refused, and what comes back is scrubbed.
//
//   CredentialUse use(credentials, destination, head);
//   body = up to use.body_needed() bytes
//   if (auto refused = use.apply(head, body, extent, content_length, decision)) deny
//   every further piece through request_body(), then request_end()
//   answer(head), every piece through answer_body(), then answer_end()
//   when the request has been sent: wipe(head), wipe(body)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/decision.h"
#include "proto/policy.pb.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/placeholder.h"
#include "proxy/credentials/scrub.h"
#include "proxy/credentials/secret_store.h"
#include "proxy/head.h"

namespace anchorhold::proxy {

// Why a request may not go on. `detail` is one line for a person and never holds a secret.
struct Refusal {
    policy::Reason reason = policy::Reason::none;
    std::string detail;
};

// Where a request goes. What it points to outlives the CredentialUse.
struct Destination {
    std::string_view host;  // strict_host_name's form, or an address's text
    uint16_t port = 0;
    proto::Protocol protocol = proto::HTTPS;  // HTTP never gets a credential
    // Every binding of the endpoint, usable or not (policy::Evaluator::bindings_of).
    std::span<const proto::Binding* const> bindings;
};

// For the TLS session towards an upstream; both point into locked memory.
struct ClientIdentity {
    std::string_view certificate_chain;  // PEM
    std::string_view key;                // PEM
    std::string_view name;               // of the key's secret, for the record
};

// Bodies that are looked into whole are bounded by this (proxy/exchange.h's kMaxCollectedBody).
constexpr size_t kMaxCredentialBody = size_t{1} << 20;

// All bindings and secrets of one sandbox. Belongs to one thread; outlives its CredentialUses.
class Credentials {
  public:
    // Errors: a binding whose secret is not in the store, a secret that cannot stand in its
    // location (a line break in a header), a format without "{}". `policy` outlives the object.
    static Result<Credentials> create(const proto::ResolvedPolicy& policy, SecretStore store);
    ~Credentials();
    Credentials(Credentials&&) noexcept;
    Credentials& operator=(Credentials&&) noexcept;

    // The client certificate for an endpoint's TLS session, among bindings that may be used there.
    [[nodiscard]] std::optional<ClientIdentity> client_identity(
        std::span<const proto::Binding* const> bindings) const;

    // Of WebSocket messages after 101, one object a direction: from the guest, and to it. Scrubbing
    // is for destinations with bindings.
    [[nodiscard]] PlaceholderScan scan() const;
    [[nodiscard]] Scrubber scrubber() const;

    struct Index;

  private:
    friend class CredentialUse;
    explicit Credentials(std::unique_ptr<Index> index);
    std::unique_ptr<Index> index_;
};

// How much of the body apply() is given.
enum class BodyExtent { whole, part };

// One request and its answer. Move-only; what it was made of outlives it.
//
// Which binding is used: a header binding that the deciding rule's document may use is set whether
// or not the guest sent its placeholder; the other locations are filled only where the guest's
// placeholder stands. Set-Cookie of a destination with bindings is dropped, because a cookie would
// come back as a foreign credential.
class CredentialUse {
  public:
    CredentialUse(Credentials& credentials, const Destination& destination,
                  const RequestHead& head);
    ~CredentialUse();
    CredentialUse(CredentialUse&&) noexcept;
    CredentialUse& operator=(CredentialUse&&) noexcept;

    // How much of the body apply() must see before it can decide; 0: none.
    [[nodiscard]] size_t body_needed() const;

    // Puts the credentials in, or refuses. `head.target` is in the form that is forwarded;
    // `content_length` is what the guest declared. `body` is what was collected: the whole, or the
    // first part of a longer one; it may be changed and is sent first. After a refusal neither
    // holds a secret. A decision that is not allow (or ask, answered) must not come here.
    std::optional<Refusal> apply(RequestHead& head, std::string& body, BodyExtent extent,
                                 std::optional<uint64_t> content_length,
                                 const policy::Decision& decision);

    // The body's length after apply() changed it; nullopt: as declared.
    [[nodiscard]] std::optional<uint64_t> new_content_length() const;
    // Names of the secrets that apply() put in, for the record.
    [[nodiscard]] const std::vector<std::string>& used() const;

    // A further piece of the body, changed in place (held back or grown while chunks are signed).
    std::optional<Refusal> request_body(std::string& piece);
    // After the last piece; `rest` is still to be sent, before the trailers.
    std::optional<Refusal> request_end(std::string& rest, Fields& trailers);

    // The final answer's head, scrubbed in place.
    void answer(ResponseHead& head);
    // The whole answer must come in one piece of at most so many bytes (a captured credential); 0:
    // stream it.
    [[nodiscard]] size_t answer_needed() const;
    // True: answer_body() may change the length. Scrubbing alone never does.
    [[nodiscard]] bool answer_may_change() const;
    // True: answer_body() leaves every piece as it is and refuses none.
    [[nodiscard]] bool answer_passes() const;
    // A piece, scrubbed in place; its end is held back while it could be the start of a secret.
    std::optional<Refusal> answer_body(std::string& piece);
    std::optional<Refusal> answer_end(std::string& rest, Fields& trailers);

    // Reflections removed so far.
    [[nodiscard]] uint64_t scrubbed() const;
    // Credentials captured from the answer, once: for the supervisor to keep, and for the record by
    // name. They already count as placeholders here. The receiver wipes the values.
    [[nodiscard]] std::vector<proto::Minted> take_minted();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Overwrites what a sent request held: its secret fields, and its target where a secret is in it.
void wipe(RequestHead& head);

}  // namespace anchorhold::proxy
