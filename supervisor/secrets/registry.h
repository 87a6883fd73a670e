// The host's secrets: where each comes from, who may name it and where it may ever go. The file
// says so and never holds a secret.
//
//   secrets:
//     anthropic:
//       from: { environment: ANTHROPIC_API_KEY }   # or file, command, systemd
//       hosts: [api.anthropic.com]
//       policies: [anthropic]                      # names of documents, or "*"
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "proto/policy.pb.h"
#include "proxy/credentials/secret_store.h"
#include "supervisor/secrets/source.h"

namespace anchorhold::supervisor {

// What one sandbox gets: secrets in locked memory with fresh placeholders, and what its agent sees.
struct SandboxSecrets {
    proxy::SecretStore store;
    // Environment variables of the agent and the placeholders in them, in the bindings' order.
    std::vector<std::pair<std::string, std::string>> environment;
};

// Move-only.
class SecretRegistry {
  public:
    // $XDG_CONFIG_HOME/anchorhold/secrets.yaml, below $HOME/.config without it; empty without
    // either.
    [[nodiscard]] static std::string default_path();

    // Reads the file; one that is not there is an empty registry. Values of environment variables
    // are moved into locked memory here and overwritten in the process's environment, so call it
    // once, before there are threads. Errors are "file:line:column: why"; also a file that is not
    // ours or that others can read or write.
    static Result<SecretRegistry> load(const std::string& path);

    // Fetches the secrets that the policy's bindings name. Each binding's hosts must be within its
    // secrets' hosts, and its document among those that may name them.
    // A secret named in `placeholders` gets the one given there: its guest holds it already.
    using Placeholders = std::map<std::string, std::string, std::less<>>;
    Result<SandboxSecrets> resolve(const proto::ResolvedPolicy& policy,
                                   const Placeholders& placeholders = {}) const;

    [[nodiscard]] size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        SecretSource source;
        std::vector<proto::HostPattern> hosts;
        std::vector<std::string> policies;  // "*": any
        std::string place;                  // "file:line:column"
    };
    Result<const Entry*> permitted(const proto::ResolvedPolicy& policy,
                                   const proto::Binding& binding, const std::string& name) const;
    friend class RegistryReader;

    std::string path_;
    std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace anchorhold::supervisor
