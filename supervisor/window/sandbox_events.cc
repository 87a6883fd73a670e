// Digests, words, certificates.
#include "supervisor/window/sandbox_events.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

#include "policy/digest.h"
#include "supervisor/audit/file_digest.h"

namespace anchorhold::supervisor {
namespace {

constexpr size_t kMostBytes = 1024;

}  // namespace

void add_bounded(google::protobuf::RepeatedPtrField<std::string>& words,
                 std::span<const std::string> given) {
    size_t room = kMostBytes;
    size_t cut = 0;
    for (const std::string& word : given) {
        const size_t taken = std::min(word.size(), room);
        if (cut == 0 && (taken > 0 || word.empty())) {
            *words.Add() = word.substr(0, taken);
        }
        cut += word.size() - taken;
        room -= taken;
    }
    if (cut > 0) {
        *words.Add() = fmt::format("[+{} bytes]", cut);
    }
}

Result<proto::AuditEvent> sandbox_started(const Installation& installation,
                                          const StartedSandbox& sandbox,
                                          const proto::ResolvedPolicy& policy) {
    const std::string cache = default_digest_cache();
    const std::string& kernel = sandbox.kernel.empty() ? installation.kernel : sandbox.kernel;
    proto::AuditEvent event;
    proto::SandboxStarted& started = *event.mutable_started();
    started.set_image(sandbox.image);
    started.set_image_digest(
        ANCHORHOLD_TRY(file_digest(installation.image_path(sandbox.image), cache)));
    started.set_kernel_digest(ANCHORHOLD_TRY(file_digest(kernel, cache)));
    started.set_init_digest(ANCHORHOLD_TRY(file_digest(installation.initrd, cache)));
    started.set_policy_digest(sandbox.policy_digest);
    for (const proto::PolicyDocument& document : policy.documents()) {
        started.add_policies(
            fmt::format("{} sha256:{}", document.file(), policy::hexadecimal(document.sha256())));
    }
    add_bounded(*started.mutable_command(), sandbox.command);
    return event;
}

proto::ControlRequest guest_set_up(
    const CertificateAuthority& authority,
    std::span<const std::pair<std::string, std::string>> environment) {
    proto::ControlRequest request;
    proto::SetUp& set_up = *request.mutable_set_up();
    set_up.set_ca_root_pem(authority.root_pem());
    set_up.set_ca_subject_hash(authority.root_subject_hash());
    for (const auto& [variable, placeholder] : environment) {
        set_up.add_environment(variable + "=" + placeholder);
    }
    return request;
}

std::string current_principal() {
    const passwd* entry = ::getpwuid(::getuid());  // NOLINT(concurrency-mt-unsafe)
    return entry != nullptr ? entry->pw_name : std::to_string(::getuid());
}

}  // namespace anchorhold::supervisor
