// Looking names up: who asks, for which hosts, and the values.
#include "supervisor/secrets/registry.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/sys.h"
#include "policy/host_pattern.h"
#include "proxy/credentials/placeholder.h"
#include "supervisor/secrets/registry_reader.h"

namespace anchorhold::supervisor {

namespace {

// Names of secrets that a binding uses, with the variable of the agent that belongs to each.
struct Use {
    std::string name;
    std::vector<std::string> variables;
    std::string shape;
    bool shown = true;  // the guest gets a placeholder
};

std::vector<Use> uses_of(const proto::Binding& binding) {
    std::vector<Use> uses;
    const bool certificate = binding.location_case() == proto::Binding::kClientCertificate;
    uses.push_back({binding.secret(),
                    {binding.variables().begin(), binding.variables().end()},
                    binding.shape(),
                    !certificate});
    const auto add = [&uses](const std::string& name, const std::string& variable) {
        if (!name.empty()) {
            uses.push_back({name, {}, "", true});
            if (!variable.empty()) {
                uses.back().variables.push_back(variable);
            }
        }
    };
    if (binding.has_aws_sigv4()) {
        add(binding.aws_sigv4().access_key_secret(), binding.aws_sigv4().access_key_variable());
        add(binding.aws_sigv4().session_token_secret(),
            binding.aws_sigv4().session_token_variable());
    }
    if (certificate) {
        uses.push_back({binding.client_certificate().certificate_secret(), {}, "", false});
    }
    return uses;
}

std::string origin_of(const proto::ResolvedPolicy& policy, const proto::Binding& binding) {
    const proto::Origin& origin = binding.origin();
    const auto document = static_cast<int>(origin.document());
    const std::string file =
        document < policy.documents_size() ? policy.documents(document).file() : "policy";
    return file + ":" + std::to_string(origin.line()) + ":" + std::to_string(origin.column());
}

}  // namespace

std::string SecretRegistry::default_path() {
    const char* const config = std::getenv("XDG_CONFIG_HOME");  // NOLINT: before there are threads
    const char* const home = std::getenv("HOME");               // NOLINT: the same
    if (config != nullptr && *config == '/') {
        return std::string(config) + "/anchorhold/secrets.yaml";
    }
    return home == nullptr ? "" : std::string(home) + "/.config/anchorhold/secrets.yaml";
}

Result<SecretRegistry> SecretRegistry::load(const std::string& path) {
    SecretRegistry registry;
    registry.path_ = path;
    auto file = sys::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file && file.error().code == ENOENT) {
        return registry;
    }
    if (!file) {
        return tl::unexpected(file.error());
    }
    ANCHORHOLD_TRY(check_private_file(file->get(), path));
    const std::string text = ANCHORHOLD_TRY(sys::read_file(path));
    ANCHORHOLD_TRY(RegistryReader(path).read(text, registry));
    return registry;
}

Result<const SecretRegistry::Entry*> SecretRegistry::permitted(const proto::ResolvedPolicy& policy,
                                                               const proto::Binding& binding,
                                                               const std::string& name) const {
    const auto refuse = [&](const std::string& why) {
        return fail(origin_of(policy, binding) + ": secret " + name + ": " + why);
    };
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
        return refuse("it is not in " + (path_.empty() ? "the registry" : path_) +
                      "; add it there with from, hosts and policies");
    }
    const Entry& entry = found->second;
    const auto document = static_cast<int>(binding.origin().document());
    const std::string asker =
        document < policy.documents_size() ? policy.documents(document).name() : "";
    if (std::ranges::none_of(entry.policies, [&](const std::string& allowed) {
            return allowed == "*" || (allowed == asker && !asker.empty());
        })) {
        return refuse("policy " + asker + " may not name it; " + entry.place +
                      " says which policies may");
    }
    for (const proto::HostPattern& host : binding.hosts()) {
        if (std::ranges::none_of(entry.hosts, [&](const proto::HostPattern& allowed) {
                return policy::host_covers(allowed, host);
            })) {
            return refuse("it may not go to " + policy::host_pattern_text(host) + "; " +
                          entry.place + " says where it may");
        }
    }
    return &entry;
}

Result<SandboxSecrets> SecretRegistry::resolve(const proto::ResolvedPolicy& policy,
                                               const Placeholders& placeholders) const {
    SandboxSecrets secrets;
    // All permissions before the first value, so that a refusal asks nobody for anything.
    for (const proto::Binding& binding : policy.bindings()) {
        for (const Use& use : uses_of(binding)) {
            ANCHORHOLD_TRY(permitted(policy, binding, use.name));
        }
    }
    for (const proto::Binding& binding : policy.bindings()) {
        for (const Use& use : uses_of(binding)) {
            if (secrets.store.find(use.name) == nullptr) {
                const Entry& entry = entries_.find(use.name)->second;
                const auto value = fetch(entry.source);
                if (!value) {
                    return tl::unexpected(
                        value.error().within(entry.place + ": secret " + use.name));
                }
                const auto known = placeholders.find(use.name);
                const auto placeholder = [&] {
                    return known != placeholders.end()
                               ? known->second
                               : proxy::make_placeholder(value->view(), use.shape);
                };
                ANCHORHOLD_TRY(
                    secrets.store.add(use.name, value->view(), use.shown ? placeholder() : ""));
            }
            for (const std::string& variable : use.variables) {
                secrets.environment.emplace_back(variable,
                                                 secrets.store.find(use.name)->placeholder);
            }
        }
    }
    return secrets;
}

}  // namespace anchorhold::supervisor
