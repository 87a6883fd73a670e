// What all requests of a sandbox share: bindings with their secrets, placeholders by text, and the
// patterns that are looked for. Internal to this folder.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "proto/policy.pb.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/credentials.h"
#include "proxy/credentials/json_text.h"
#include "proxy/credentials/pattern_set.h"
#include "proxy/credentials/scrub.h"
#include "proxy/credentials/secret_store.h"

namespace anchorhold::proxy {

// Where a credential that came with links of its own may go (Git LFS actions).
struct Href {
    std::string host;
    uint16_t port = 443;
    std::string path;  // exact, or a folder with its slash that everything below belongs to

    // "https://host:port/path" with a strict name; anything else is nullopt. Queries are left out.
    static std::optional<Href> parse(std::string_view url);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool covers(const Destination& destination, std::string_view target) const;
};

// Names of captured secrets say what they are bound to, so that a proxy that starts again knows.
struct Captured {
    const StoredSecret* secret = nullptr;
    const proto::Binding* binding = nullptr;
    std::optional<Href> href;  // without one it is bound as the binding's own secret
};

// A binding, ready for use.
struct BoundSecret {
    const proto::Binding* binding = nullptr;
    const StoredSecret* secret = nullptr;
    const StoredSecret* access_key = nullptr;     // aws_sigv4
    const StoredSecret* session_token = nullptr;  // aws_sigv4, may be null
    const StoredSecret* certificate = nullptr;    // client_certificate
    JsonPath pointer;                             // json_pointer
    std::vector<JsonPath> mint_fields;            // of all mints, in order
    std::string prefix;                           // of `format`, before and after {}
    std::string suffix;

    // The value that stands in the location: format with `secret` in it.
    [[nodiscard]] SecretString formatted(std::string_view secret_value) const;
    // What stands in the format's place; nullopt where `value` has not its form.
    [[nodiscard]] std::optional<std::string_view> inside(std::string_view value) const;
};

struct Credentials::Index {
    static constexpr size_t kMaxCaptured = 512;  // the oldest is forgotten

    const proto::ResolvedPolicy* policy = nullptr;
    SecretStore store;
    std::unordered_map<const proto::Binding*, BoundSecret> bound;
    std::map<std::string, const StoredSecret*, std::less<>> by_placeholder;
    std::deque<Captured> captured;
    uint64_t next_captured = 1;
    std::shared_ptr<const PatternSet> placeholders;
    std::shared_ptr<const ScrubForms> reflections;

    Status bind(const proto::Binding& binding);
    // Takes up what was captured before this proxy started.
    void recall();
    void rebuild();

    [[nodiscard]] const BoundSecret& of(const proto::Binding* binding) const;
    [[nodiscard]] const StoredSecret* placeholder(std::string_view text) const;
    // How a captured secret is bound; null for one of the registry.
    [[nodiscard]] const Captured* captured_as(const StoredSecret* secret) const;
    // The binding's own secret, or one captured for it that has no links.
    [[nodiscard]] bool serves(const BoundSecret& bound_secret, const StoredSecret* secret) const;

    // Keeps a captured credential and returns it; the same one where it is known. Patterns follow
    // with rebuild().
    Result<const StoredSecret*> capture(const proto::Binding& binding, std::string_view value,
                                        const std::optional<Href>& href);
    void forget_oldest();
};

}  // namespace anchorhold::proxy
